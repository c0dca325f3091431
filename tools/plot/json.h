// Reads JSON (RFC 8259).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crema {

struct Json {
  enum Kind { kNull, kBool, kNumber, kString, kList, kObject };

  Kind kind = kNull;
  double number = 0;               // of a number; 1 for true
  std::string text;                // of a string, in UTF-8
  std::vector<std::string> names;  // of an object's members
  std::vector<Json> values;        // of a list, or an object's members

  // The member of an object; null where there is none, and if this is no object. Of two with one
  // name the last counts.
  const Json* Find(std::string_view name) const;
};

// None where `text` is not JSON, or is nested more deeply than 20 times. Takes time and memory in
// proportion to its length.
std::optional<Json> ParseJson(std::string_view text);

}  // namespace crema
