// Errors that say where what is wrong stands.
#pragma once

#include <string>

#include "crema/base/error.h"

namespace crema {

// Returns what `action` does. What an Error that it throws says is put behind `source`, such as a
// file's name, unless it begins with it already; "" adds nothing.
template <class Action>
auto InSource(const std::string& source, const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    const std::string text = error.what();
    if (source.empty() || text.rfind(source + ":", 0) == 0) throw;
    Fail(source, ": ", text);
  }
}

}  // namespace crema
