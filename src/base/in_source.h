// Errors that say where what is wrong stands.
#pragma once

#include <string>

#include "crema/error.h"

namespace crema {

// Returns what `action` does. What an Error that it throws says is put behind `source`, such as a
// net's title, unless it begins with it already, or names the file of `place` itself; "" adds
// nothing. What the Error does not know of its place is taken from `place`.
template <class Action>
auto InSource(const std::string& source, const Action& action, const ErrorPlace& place = {}) {
  try {
    return action();
  } catch (const Error& error) {
    const bool names_file = !error.file().empty() && error.file() == place.file;
    if (source.empty() || names_file) throw;
    throw error.About(source, place);
  }
}

}  // namespace crema
