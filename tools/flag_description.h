// What the flags of the commands are: for help, man pages and completion.
#pragma once

#include <string>
#include <vector>

namespace crema {

struct FlagDescription {
  enum class Value { kNone, kNumber, kText, kWord, kFile, kFolder };
  std::string name;                  // as gflags has it, with underscores
  std::string meaning;               // a sentence, with the default if it has one
  Value value = Value::kText;        // kNone: a switch
  std::vector<std::string> words;    // kWord: those that it takes
  std::vector<std::string> endings;  // kFile: "prototxt", ...; any file if there are none
};

// Describes a flag of crema's.
FlagDescription DescribeFlag(const std::string& name);

// "FILE", "N", "TRAIN|TEST": what stands for the value in a usage line; "" for a switch.
std::string ValuePlaceholder(const FlagDescription& flag);

}  // namespace crema
