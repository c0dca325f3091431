#include "flag_parser.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <sstream>

#include "base/strings.h"
#include "commands/command.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

// Flag files may name each other.
constexpr int kDeepestFile = 16;

const std::vector<std::string>& CaffeFlags() {
  static const std::vector<std::string> flags = {
      "gpu",      "solver",  "model",      "phase",         "level",        "stage",
      "snapshot", "weights", "iterations", "sigint_effect", "sighup_effect"};
  return flags;
}

bool Contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool IsSwitch(const std::string& name) {
  return gflags::GetCommandLineFlagInfoOrDie(name.c_str()).type == "bool";
}

template <class Integer>
std::string RangeOf() {
  using Limits = std::numeric_limits<Integer>;
  return Concat("an integer from ", Limits::min(), " to ", Limits::max());
}

std::string Underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string Trim(const std::string& line) {
  const char* const blanks = " \t\r";
  const size_t first = line.find_first_not_of(blanks);
  return first == std::string::npos ? ""
                                    : line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

// What a flag of a type takes, in words. Texts are never refused.
std::string ValuesOf(const std::string& type) {
  if (type == "bool") return "true or false";
  if (type == "double") return "a number, such as 0.5";
  if (type == "int32") return RangeOf<int32_t>();
  if (type == "uint32") return RangeOf<uint32_t>();
  return type == "int64" ? RangeOf<int64_t>() : RangeOf<uint64_t>();
}

std::string ReadFlagFile(const std::string& path) {
  try {
    return ReadFileBytes(path);
  } catch (const Error& error) {
    throw UsageError(Concat("--flagfile=", path, ": the file cannot be read: ", error.what()));
  }
}

}  // namespace

struct FlagParser::Flag {
  std::string name;  // as gflags knows it; "" where the flag is unknown
  std::string written;
  bool has_value = false;
  std::string value;
};

FlagParser::FlagParser(std::string command, std::vector<std::string> own_flags,
                       const std::set<std::string>& crema_flags)
    : command_(std::move(command)), own_(std::move(own_flags)) {
  std::vector<gflags::CommandLineFlagInfo> all;
  gflags::GetAllFlags(&all);
  for (const gflags::CommandLineFlagInfo& flag : all) {
    if (crema_flags.count(flag.name) == 0) library_.push_back(flag.name);
  }
}

bool FlagParser::Takes(const std::string& name) const {
  return Contains(own_, name) || Contains(CaffeFlags(), name) || Contains(library_, name);
}

// A switch may be negated: --nologtostderr.
FlagParser::Flag FlagParser::Split(const std::string& word) const {
  const std::string text = word.substr(word.compare(0, 2, "--") == 0 ? 2 : 1);
  const size_t equals = text.find('=');
  Flag flag;
  flag.written = Underscores(text.substr(0, equals));
  flag.has_value = equals != std::string::npos;
  if (flag.has_value) flag.value = text.substr(equals + 1);
  if (Takes(flag.written)) {
    flag.name = flag.written;
    return flag;
  }
  for (const std::string no : {"no", "no_"}) {
    const std::string rest = flag.written.substr(std::min(no.size(), flag.written.size()));
    const bool is_negated =
        flag.written.compare(0, no.size(), no) == 0 && Takes(rest) && IsSwitch(rest);
    if (!is_negated) continue;
    if (flag.has_value) throw UsageError("--" + flag.written + " takes no value");
    flag.name = rest;
    flag.has_value = true;
    flag.value = "false";
  }
  return flag;
}

void FlagParser::NoteUnknown(const std::string& name) {
  std::vector<std::string> known = own_;
  known.insert(known.end(), CaffeFlags().begin(), CaffeFlags().end());
  known.insert(known.end(), library_.begin(), library_.end());
  const std::string near = Nearest(name, known);
  unknown_.emplace_back(name, "crema " + command_ + " has no option --" + name +
                                  (near.empty() ? "" : "; did you mean --" + near + "?"));
}

void FlagParser::Set(const std::string& name, const std::string& value, int depth) {
  const std::string text = "--" + name + "=" + value;
  if (name == "flagfile") return ReadFlagFiles(value, depth);
  if (name == "fromenv" || name == "tryfromenv") {
    return SetFromEnvironment(value, name == "fromenv", depth);
  }
  if (name == "undefok") {
    for (const std::string& each : SplitList(value)) {
      may_be_unknown_.insert(Underscores(each));
      may_be_unknown_.insert("no" + Underscores(each));
    }
    return;
  }
  // Elsewhere the last value counts, as in Caffe; people add to this list as if each were kept.
  if (name == "plugins" && !plugins_.empty() && plugins_ != value) {
    throw UsageError(Concat("--plugins is given twice, as ", plugins_, " and as ", value,
                            "; give it once, with commas: --plugins=", plugins_, ",", value));
  }
  if (name == "plugins") plugins_ = value;
  if (gflags::SetCommandLineOption(name.c_str(), value.c_str()).empty()) {
    throw UsageError(text + ": the value must be " +
                     ValuesOf(gflags::GetCommandLineFlagInfoOrDie(name.c_str()).type));
  }
  const bool means_something = Contains(own_, name) || Contains(library_, name);
  if (!means_something && !Contains(unused_, "--" + name)) unused_.push_back("--" + name);
}

void FlagParser::SetFromEnvironment(const std::string& names, bool must_be_there, int depth) {
  for (const std::string& name : SplitList(names)) {
    const char* const value = std::getenv(("FLAGS_" + name).c_str());
    if (value != nullptr && Takes(Underscores(name))) {
      Set(Underscores(name), value, depth);
    } else if (value != nullptr) {
      NoteUnknown(name);
    } else if (must_be_there) {
      throw UsageError("--fromenv=" + name + ": the variable FLAGS_" + name + " is not set");
    }
  }
}

// One flag per line; lines that begin with # are comments.
void FlagParser::ReadFlagFiles(const std::string& paths, int depth) {
  for (const std::string& path : SplitList(paths)) {
    if (depth >= kDeepestFile) {
      throw UsageError("--flagfile=" + path + ": the flag files include each other endlessly");
    }
    std::istringstream file(ReadFlagFile(path));
    std::vector<std::string> words;
    for (std::string line; std::getline(file, line);) {
      const std::string word = Trim(line);
      if (word.empty() || word[0] == '#') continue;
      const bool is_flag = word.size() > 1 && word[0] == '-';
      if (!is_flag) {
        throw UsageError("--flagfile=" + path + ": the line '" + word +
                         "' is not a flag; write one --name=value per line");
      }
      words.push_back(word);
    }
    ParseAll(words, depth + 1);
  }
}

void FlagParser::ParseAll(const std::vector<std::string>& words, int depth) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") {
      arguments_.insert(arguments_.end(), words.begin() + static_cast<ptrdiff_t>(i) + 1,
                        words.end());
      return;
    }
    if (words[i].size() < 2 || words[i][0] != '-') {
      arguments_.push_back(words[i]);
      continue;
    }
    const Flag flag = Split(words[i]);
    if (flag.name.empty()) {
      NoteUnknown(flag.written);
    } else if (flag.has_value) {
      Set(flag.name, flag.value, depth);
    } else if (IsSwitch(flag.name)) {
      Set(flag.name, "true", depth);
    } else if (depth == 0 && i + 1 < words.size()) {
      Set(flag.name, words[++i], depth);
    } else {
      throw UsageError("--" + flag.name + " needs a value");
    }
  }
}

void FlagParser::Parse(const std::vector<std::string>& words) {
  ParseAll(words, 0);
  for (const auto& [name, message] : unknown_) {
    if (may_be_unknown_.count(name) == 0) throw UsageError(message);
  }
}

}  // namespace crema
