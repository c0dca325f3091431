#include "layer/plugin_file.h"

#include <elf.h>
#include <string.h>

#include <cstddef>
#include <cstdint>
#include <vector>

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

// Whether `size` bytes from `at` on lie between `begin` and `begin` + `room`.
bool IsWithin(uint64_t at, uint64_t size, uint64_t begin, uint64_t room) {
  return at >= begin && at - begin <= room && size <= room - (at - begin);
}

#if defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#elif defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#else
constexpr Elf64_Half kMachine = EM_NONE;  // any; the loader says what it cannot take
#endif

std::string NameOfMachine(Elf64_Half machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "AArch64";
    case EM_386: return "32-bit x86";
    case EM_ARM: return "32-bit ARM";
    case EM_PPC64: return "POWER";
    case EM_RISCV: return "RISC-V";
    default: return Concat("number ", machine, " of the ELF standard");
  }
}

// The headers of a shared library, as far as crema cares; the loader looks closer, but trusts what
// the program headers say of addresses.
class SharedLibrary {
 public:
  // `file` holds the bytes of the file at `path`; both outlive this.
  SharedLibrary(const std::string& path, const std::string& file) : path_(path), file_(file) {
    if (file.compare(0, SELFMAG, ELFMAG) != 0) FailNoLibrary();
    if (!ReadAt(file, 0, &header_)) FailDamaged("its header");
    if (kMachine != EM_NONE && header_.e_machine != kMachine) FailMachine();
    const bool is_like_us =
        header_.e_ident[EI_CLASS] == ELFCLASS64 && header_.e_ident[EI_DATA] == ELFDATA2LSB;
    if (!is_like_us) FailDamaged("its header");
    if (header_.e_type != ET_DYN) FailNoLibrary();
    ReadTable("the table of its sections", header_.e_shoff, header_.e_shnum, header_.e_shentsize,
              &sections_);
  }

  // The bytes of the section of that name; "" if there is none.
  std::string Find(const std::string& name) const {
    if (header_.e_shstrndx >= sections_.size()) return "";
    const uint64_t names = sections_[header_.e_shstrndx].sh_offset;
    const size_t size = name.size() + 1;  // with the zero behind it
    for (const Elf64_Shdr& section : sections_) {
      const uint64_t at = names + section.sh_name;
      if (at > file_.size() || file_.compare(at, size, name.c_str(), size) != 0) continue;
      if (section.sh_type == SHT_NOBITS || !IsInFile(section.sh_offset, section.sh_size)) {
        FailDamaged("its section " + name);
      }
      return file_.substr(section.sh_offset, section.sh_size);
    }
    return "";
  }

  // Throws Error where the loader would read or write what is not there.
  void CheckProgramHeaders() {
    ReadTable("the table of its segments", header_.e_phoff, header_.e_phnum, header_.e_phentsize,
              &segments_);
    uint64_t end = 0;  // of the segments so far, in memory
    bool has_dynamic = false;
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type == PT_NULL) continue;
      if (!IsInFile(segment.p_offset, segment.p_filesz)) FailDamaged("a segment");
      if (segment.p_type == PT_LOAD && !IsLoadable(segment, &end)) FailDamaged("a segment");
      if (segment.p_type != PT_DYNAMIC) continue;
      has_dynamic = IsLoaded(segment.p_offset, segment.p_vaddr, segment.p_filesz) &&
                    segment.p_vaddr % alignof(Elf64_Dyn) == 0 &&
                    segment.p_filesz >= sizeof(Elf64_Dyn);
      if (!has_dynamic) break;
    }
    if (!has_dynamic) FailDamaged("its dynamic segment");
    for (const Elf64_Shdr& section : sections_) {
      if ((section.sh_flags & SHF_ALLOC) == 0 || section.sh_size == 0) continue;
      const bool is_there = section.sh_type == SHT_NOBITS
                                ? HasRoom(section)
                                : IsLoaded(section.sh_offset, section.sh_addr, section.sh_size);
      if (!is_there) FailDamaged("the table of its segments");
    }
  }

 private:
  [[noreturn]] void FailNoLibrary() const {
    Fail(path_, ": is not a shared library; name the .so of a plug-in");
  }
  [[noreturn]] void FailMachine() const {
    Fail(path_, ": is for another kind of processor (", NameOfMachine(header_.e_machine),
         ") than this one (", NameOfMachine(kMachine), "); build the plug-in for this one");
  }
  [[noreturn]] void FailDamaged(const std::string& what) const {
    Fail(path_, ": is damaged or incomplete (", what, "); copy it again, or build it again");
  }

  bool IsInFile(uint64_t at, uint64_t size) const { return IsWithin(at, size, 0, file_.size()); }

  template <class Entry>
  void ReadTable(const char* what, uint64_t at, uint64_t count, uint64_t entry_size,
                 std::vector<Entry>* entries) const {
    if (count == 0) return;
    if (entry_size != sizeof(Entry) || !IsInFile(at, count * sizeof(Entry))) FailDamaged(what);
    entries->resize(count);
    memcpy(entries->data(), file_.data() + at, count * sizeof(Entry));
  }

  // Segments that are loaded follow each other in memory; `end` is where the last one ends.
  static bool IsLoadable(const Elf64_Phdr& segment, uint64_t* end) {
    constexpr uint64_t kAddresses = uint64_t{1} << 47;  // of a process
    const uint64_t align = segment.p_align;
    if (align == 0 || (align & (align - 1)) != 0 || align > kAddresses) return false;
    if ((segment.p_vaddr - segment.p_offset) % align != 0) return false;
    if (segment.p_vaddr < *end || segment.p_filesz > segment.p_memsz) return false;
    if (!IsWithin(segment.p_vaddr, segment.p_memsz, 0, kAddresses)) return false;
    *end = segment.p_vaddr + segment.p_memsz;
    return true;
  }

  // Whether these bytes of the file come to that address.
  bool IsLoaded(uint64_t offset, uint64_t address, uint64_t size) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD) continue;
      if (IsWithin(offset, size, segment.p_offset, segment.p_filesz) &&
          address - segment.p_vaddr == offset - segment.p_offset) {
        return true;
      }
    }
    return false;
  }

  // Whether there is memory for what is zeros at first. Each thread has its own for SHF_TLS.
  bool HasRoom(const Elf64_Shdr& section) const {
    if ((section.sh_flags & SHF_TLS) != 0) return true;
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD) continue;
      if (IsWithin(section.sh_addr, section.sh_size, segment.p_vaddr, segment.p_memsz)) return true;
    }
    return false;
  }

  const std::string& path_;
  const std::string& file_;
  Elf64_Ehdr header_ = {};
  std::vector<Elf64_Shdr> sections_;
  std::vector<Elf64_Phdr> segments_;
};

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
  SharedLibrary library(path, file);
  const std::string marks = library.Find(kMarkSection);
  PluginMark mark;
  if (!ReadAt(marks, 0, &mark)) {
    Fail(path,
         ": is a shared library, but not a plug-in of crema; if it is to be one, write "
         "CREMA_PLUGIN(\"name\") in one of its files, and build it with crema_add_plugin");
  }
  library.CheckProgramHeaders();
  // A file that is compiled for several devices leaves one for each.
  for (size_t at = 0; ReadAt(marks, at, &mark); at += sizeof(PluginMark)) CheckMark(path, mark);
  return {Printable(TextOf(mark.name)), library.Find(kSchemaSection)};
}

}  // namespace crema
