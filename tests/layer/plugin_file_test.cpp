#include "layer/plugin_file.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

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

// A file with the sections that a plug-in has, and nothing that could run.
std::string SharedLibrary(const std::string& mark, const std::string& schema) {
  const std::string names = std::string("\0.crema_plugin\0.crema_schema\0", 30);
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_shoff = sizeof header;
  header.e_shnum = 3;
  header.e_shstrndx = 0;
  Elf64_Shdr sections[3] = {};
  const std::string contents[3] = {names, mark, schema};
  const Elf64_Word name_at[3] = {0, 1, 15};
  size_t at = sizeof header + sizeof sections;
  for (int i = 0; i < 3; ++i) {
    sections[i].sh_type = SHT_PROGBITS;
    sections[i].sh_name = name_at[i];
    sections[i].sh_offset = at;
    sections[i].sh_size = contents[i].size();
    at += contents[i].size();
  }
  return BytesOf(header) + BytesOf(sections) + names + mark + schema;
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

// Cut anywhere, and with any byte of its headers changed, it is read or refused.
TEST(PluginFile, BearsDamage) {
  const std::string whole = SharedLibrary(Mark(kPluginInterface), "options");
  const std::string path = (TestFolder() / "b.so").string();
  const size_t headers = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr);
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
