// Numbers of things in words.
#pragma once

#include <string>

#include "crema/error.h"

namespace crema {

// "1 layer", "2 layers". `plural` for nouns that take another ending: "batches".
template <class Number>
std::string Counted(Number count, const std::string& noun, const std::string& plural = "") {
  return Concat(count, " ", count == 1 ? noun : plural.empty() ? noun + "s" : plural);
}

}  // namespace crema
