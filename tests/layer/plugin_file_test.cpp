#include "layer/plugin_file.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <utility>
#include <vector>

#include "crema/dev/plugin.h"
#include "crema/load_plugins.h"
#include "schema/schema_test_util.h"

namespace crema {
namespace {

template <class T>
std::string BytesOf(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string Mark(const std::string& interface) {
  PluginMark mark = {};
  std::strcpy(mark.magic, kPluginMagic);
  std::strcpy(mark.interface, interface.c_str());
  std::strcpy(mark.name, "plugin_of_tests");
  return BytesOf(mark);
}

// That of this process.
Elf64_Half MachineOfTests() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  Elf64_Ehdr header = {};
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  return header.e_machine;
}

// A file with the headers that a plug-in has, and nothing that could run: the loader refuses it at
// once, because it does not say which version of the format it has.
std::string SharedLibrary(const std::string& mark, const std::string& schema) {
  const std::string names = std::string("\0.crema_plugin\0.crema_schema\0", 30);
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = MachineOfTests();
  header.e_phoff = sizeof header;
  header.e_phnum = 2;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_shoff = sizeof header + 2 * sizeof(Elf64_Phdr);
  header.e_shnum = 3;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shstrndx = 0;
  Elf64_Shdr sections[3] = {};
  const std::string contents[3] = {names, mark, schema};
  const Elf64_Word name_at[3] = {0, 1, 15};
  const Elf64_Dyn dynamic = {};
  const size_t dynamic_at = header.e_shoff + sizeof sections;
  size_t at = dynamic_at + sizeof dynamic;
  for (int i = 0; i < 3; ++i) {
    sections[i].sh_type = SHT_PROGBITS;
    sections[i].sh_name = name_at[i];
    sections[i].sh_flags = SHF_ALLOC;
    sections[i].sh_offset = sections[i].sh_addr = at;
    sections[i].sh_size = contents[i].size();
    at += contents[i].size();
  }
  Elf64_Phdr segments[2] = {};
  segments[0].p_type = PT_LOAD;
  segments[0].p_filesz = segments[0].p_memsz = at;
  segments[0].p_align = 4096;
  segments[1].p_type = PT_DYNAMIC;
  segments[1].p_offset = segments[1].p_vaddr = dynamic_at;
  segments[1].p_filesz = segments[1].p_memsz = sizeof dynamic;
  return BytesOf(header) + BytesOf(segments) + BytesOf(sections) + BytesOf(dynamic) + names + mark +
         schema;
}

std::string Write(const std::string& bytes) { return WriteTestFile(TestFolder() / "a.so", bytes); }

std::string ErrorFor(const std::string& bytes) {
  const std::string path = Write(bytes);
  const std::string error = ErrorOf([&] { ReadPluginFile(path); });
  if (error.empty()) return "";
  EXPECT_EQ(error.rfind(path + ": ", 0), 0u) << error;
  return error.substr(path.size() + 2);
}

TEST(PluginFile, TellsNameAndSchema) {
  const PluginFile file = ReadPluginFile(Write(SharedLibrary(Mark(kPluginInterface), "options")));
  EXPECT_EQ(file.name, "plugin_of_tests");
  EXPECT_EQ(file.schema, "options");
}

TEST(PluginFile, RefusesWhatIsNone) {
  EXPECT_TRUE(Contains(ErrorFor("#!/bin/sh\n"), "is not a shared library"));
  EXPECT_TRUE(Contains(ErrorFor(""), "is not a shared library"));
  EXPECT_TRUE(Contains(ErrorFor(SharedLibrary("", "")), "but not a plug-in of crema"));
  EXPECT_TRUE(Contains(ErrorOf([] { LoadPlugins({""}); }), "LoadPlugins was given an empty path"));
  EXPECT_TRUE(Contains(ErrorOf([] { LoadPlugins({"absent_of_tests.so"}); }),
                       "absent_of_tests.so: cannot be opened"));
}

TEST(PluginFile, RefusesAnotherCrema) {
  const std::string error = ErrorFor(SharedLibrary(Mark("0.0-old"), ""));
  EXPECT_EQ(error, Concat("is a plug-in for crema 0.0-old, but this is crema ", kPluginInterface,
                          "; build it again with this crema"));
  // Each of them counts: a file compiled for two devices has one for each.
  const std::string both = Mark(kPluginInterface) + Mark("0.0-old");
  EXPECT_TRUE(Contains(ErrorFor(SharedLibrary(both, "")), "for crema 0.0-old"));
}

// The loader would trust them, and crash.
TEST(PluginFile, RefusesSegmentsThatMakeNoSense) {
  const std::string whole = SharedLibrary(Mark(kPluginInterface), "options");
  const auto error_with = [&](int number, const std::function<void(Elf64_Phdr*)>& change) {
    const size_t at = sizeof(Elf64_Ehdr) + number * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    std::memcpy(&segment, whole.data() + at, sizeof segment);
    change(&segment);
    return ErrorFor(std::string(whole).replace(at, sizeof segment, BytesOf(segment)));
  };
  const std::vector<std::pair<int, std::function<void(Elf64_Phdr*)>>> damages = {
      {0, [](Elf64_Phdr* segment) { *segment = {}; }},
      {1, [](Elf64_Phdr* segment) { *segment = {}; }},
      {0, [](Elf64_Phdr* segment) { segment->p_filesz += 1; }},
      {0, [](Elf64_Phdr* segment) { segment->p_filesz -= 1; }},
      {0, [](Elf64_Phdr* segment) { segment->p_offset = ~uint64_t{0}; }},
      {0, [](Elf64_Phdr* segment) { segment->p_memsz = 1; }},
      {0, [](Elf64_Phdr* segment) { segment->p_memsz = ~uint64_t{0}; }},
      {0, [](Elf64_Phdr* segment) { segment->p_align = 0; }},
      {0, [](Elf64_Phdr* segment) { segment->p_align = 4095; }},
      {0, [](Elf64_Phdr* segment) { segment->p_vaddr = 8; }},
      {0, [](Elf64_Phdr* segment) { segment->p_vaddr = 4096; }},
      {1, [](Elf64_Phdr* segment) { segment->p_vaddr += 8; }},
      {1, [](Elf64_Phdr* segment) { segment->p_filesz = 0; }},
  };
  for (size_t d = 0; d < damages.size(); ++d) {
    const std::string error = error_with(damages[d].first, damages[d].second);
    EXPECT_TRUE(Contains(error, "is damaged or incomplete (")) << "case " << d << ": " << error;
  }
}

TEST(PluginFile, TellsACutFileAndAnotherProcessor) {
  std::string whole = SharedLibrary(Mark(kPluginInterface), "options");
  for (const size_t size : {size_t{4}, sizeof(Elf64_Ehdr), sizeof(Elf64_Ehdr) + 200}) {
    EXPECT_EQ(ErrorFor(whole.substr(0, size)).rfind("is damaged or incomplete (", 0), 0u) << size;
  }
  EXPECT_EQ(ErrorFor(whole.substr(0, whole.size() - 1)),
            "is damaged or incomplete (a segment); copy it again, or build it again");
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  header.e_machine = EM_RISCV;
  EXPECT_TRUE(Contains(ErrorFor(whole.replace(0, sizeof header, BytesOf(header))),
                       "is for another kind of processor (RISC-V) than this one ("));
}

// Cut anywhere, and with any byte of its headers changed, it is read or refused.
TEST(PluginFile, BearsDamage) {
  const std::string whole = SharedLibrary(Mark(kPluginInterface), "options");
  const std::string path = (TestFolder() / "b.so").string();
  const size_t headers = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) + 3 * sizeof(Elf64_Shdr);
  for (size_t size = 0; size < whole.size(); size += 3) {
    WriteTestFile(path, whole.substr(0, size));
    ErrorOf([&] { ReadPluginFile(path); });
  }
  for (size_t at = 0; at < headers; ++at) {
    std::string damaged = whole;
    damaged[at] = '\xff';
    WriteTestFile(path, damaged);
    ErrorOf([&] { ReadPluginFile(path); });
  }
}

// What is no library for the loader is refused with its words.
TEST(PluginFile, LoaderSaysWhatItLacks) {
  const std::string path = Write(SharedLibrary(Mark(kPluginInterface), ""));
  const std::string error = ErrorOf([&] { LoadPlugins({path}); });
  EXPECT_EQ(error.rfind(path + ": cannot be loaded: ", 0), 0u) << error;
  EXPECT_TRUE(LoadedPlugins().empty());
}

}  // namespace
}  // namespace crema
