// The libraries that crema is built with, for bug reports: each part names its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace crema {

struct Library {
  std::string name, version;
};

// Adds a library to the list. `version` is asked for when the list is read.
struct LibraryRegistration {
  // Before main, as a global. `name` lives as long as the process.
  LibraryRegistration(const char* name, std::function<std::string()> version);
};

// All of them, sorted by name.
std::vector<Library> Libraries();

}  // namespace crema
