#include "flag_description.h"

#include <gflags/gflags.h>

#include <map>

#include "base/strings.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

using Value = FlagDescription::Value;

// Flags whose value is a file with one of these endings.
const std::map<std::string, std::vector<std::string>>& FileFlags() {
  static const std::map<std::string, std::vector<std::string>> flags = {
      {"solver", {"prototxt"}},
      {"model", {"prototxt"}},
      {"weights", {"caffemodel", "h5"}},
      {"out", {"png", "svg"}},
      {"snapshot", {"solverstate", "h5"}},
      {"metrics", {}},
      {"json", {}},
      {"plugins", {"so"}}};
  return flags;
}

// Flags whose value is one of a few words.
const std::map<std::string, std::vector<std::string>>& WordFlags() {
  static const std::vector<std::string> effects = {"stop", "snapshot", "none"};
  static const std::map<std::string, std::vector<std::string>> flags = {
      {"phase", {"TRAIN", "TEST"}},
      {"engine", EngineNames(DeviceKind::kCpu)},
      {"resume", {"auto"}},
      {"sigint_effect", effects},
      {"sighup_effect", effects},
      {"sigterm_effect", effects},
      {"backend", {"lmdb", "leveldb"}},
      {"encode_type", {"jpg", "png"}},
      {"x", {"iteration", "time"}}};
  return flags;
}

Value ValueOfType(const std::string& type) {
  if (type == "bool") return Value::kNone;
  return type == "string" ? Value::kText : Value::kNumber;
}

std::string Meaning(const gflags::CommandLineFlagInfo& flag) {
  const bool has_default = !flag.default_value.empty() && flag.type != "bool" &&
                           flag.description.find("(default: ") == std::string::npos;
  return flag.description + (has_default ? " (default: " + flag.default_value + ")" : "");
}

}  // namespace

FlagDescription DescribeFlag(const std::string& name) {
  const gflags::CommandLineFlagInfo info = gflags::GetCommandLineFlagInfoOrDie(name.c_str());
  FlagDescription flag;
  flag.name = name;
  flag.meaning = Meaning(info);
  flag.value = ValueOfType(info.type);
  if (name == "tensorboard") flag.value = Value::kFolder;
  const auto file = FileFlags().find(name);
  if (file != FileFlags().end()) {
    flag.value = Value::kFile;
    flag.endings = file->second;
  }
  const auto word = WordFlags().find(name);
  if (word != WordFlags().end()) {
    flag.value = Value::kWord;
    flag.words = word->second;
  }
  return flag;
}

std::string ValuePlaceholder(const FlagDescription& flag) {
  switch (flag.value) {
    case Value::kNone: return "";
    case Value::kNumber: return "N";
    case Value::kText: return "TEXT";
    case Value::kWord: return Join(flag.words, "|");
    case Value::kFile: return "FILE";
    case Value::kFolder: return "FOLDER";
  }
  return "";
}

}  // namespace crema
