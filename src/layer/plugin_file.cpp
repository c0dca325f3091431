#include "layer/plugin_file.h"

#include <elf.h>
#include <string.h>

#include <cstddef>
#include <cstdint>

#include "base/printable.h"
#include "crema/dev/plugin.h"
#include "crema/error.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

constexpr char kMarkSection[] = ".crema_plugin", kSchemaSection[] = ".crema_schema";

// False if the file ends before.
template <class T>
bool ReadAt(const std::string& file, uint64_t offset, T* out) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return false;
  memcpy(out, file.data() + offset, sizeof(T));
  return true;
}

// A shared library of this kind of machine as far as crema cares; the loader looks closer.
bool IsSharedLibrary(const std::string& file, Elf64_Ehdr* header) {
  return ReadAt(file, 0, header) && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
         header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
         header->e_type == ET_DYN;
}

bool ReadSectionHeader(const std::string& file, const Elf64_Ehdr& header, uint64_t index,
                       Elf64_Shdr* out) {
  return header.e_shoff <= file.size() &&
         ReadAt(file, header.e_shoff + index * sizeof(Elf64_Shdr), out);
}

// The bytes of the section of that name; "" if there is none.
std::string FindSection(const std::string& file, const Elf64_Ehdr& header,
                        const std::string& name) {
  Elf64_Shdr names, section;
  if (!ReadSectionHeader(file, header, header.e_shstrndx, &names)) return "";
  if (names.sh_offset > file.size()) return "";
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    if (!ReadSectionHeader(file, header, i, &section)) return "";
    const uint64_t at = names.sh_offset + section.sh_name;
    const size_t size = name.size() + 1;  // with the zero behind it
    if (at > file.size() || file.compare(at, size, name.c_str(), size) != 0) continue;
    const bool is_inside = section.sh_type != SHT_NOBITS && section.sh_offset <= file.size() &&
                           section.sh_size <= file.size() - section.sh_offset;
    return is_inside ? file.substr(section.sh_offset, section.sh_size) : "";
  }
  return "";
}

template <size_t size>
std::string TextOf(const char (&field)[size]) {
  return std::string(field, strnlen(field, size));
}

void CheckMark(const std::string& path, const PluginMark& mark) {
  if (TextOf(mark.magic) != kPluginMagic) Fail(path, ": what it says of itself is damaged");
  const std::string interface = TextOf(mark.interface);
  if (interface == kPluginInterface) return;
  Fail(path, ": is a plug-in for crema ", Printable(interface), ", but this is crema ",
       kPluginInterface, "; build it again with this crema");
}

}  // namespace

PluginFile ReadPluginFile(const std::string& path) {
  const std::string file = ReadFileBytes(path);
  Elf64_Ehdr header;
  if (!IsSharedLibrary(file, &header)) {
    Fail(path, ": is not a shared library for this kind of machine; name the .so of a plug-in");
  }
  const std::string marks = FindSection(file, header, kMarkSection);
  PluginMark mark;
  if (!ReadAt(marks, 0, &mark)) {
    Fail(path,
         ": is a shared library, but not a plug-in of crema; if it is to be one, write "
         "CREMA_PLUGIN(\"name\") in one of its files, and build it with crema_add_plugin");
  }
  // A file that is compiled for several devices leaves one for each.
  for (size_t at = 0; ReadAt(marks, at, &mark); at += sizeof(PluginMark)) CheckMark(path, mark);
  return {Printable(TextOf(mark.name)), FindSection(file, header, kSchemaSection)};
}

}  // namespace crema
