#include "base/libraries.h"

#include <algorithm>
#include <utility>

namespace crema {
namespace {

struct Entry {
  const char* name;
  std::function<std::string()> version;
};

std::vector<Entry>& Entries() {
  static std::vector<Entry> entries;
  return entries;
}

}  // namespace

LibraryRegistration::LibraryRegistration(const char* name, std::function<std::string()> version) {
  Entries().push_back({name, std::move(version)});
}

std::vector<Library> Libraries() {
  std::vector<Library> libraries;
  for (const Entry& entry : Entries()) libraries.push_back({entry.name, entry.version()});
  std::sort(libraries.begin(), libraries.end(),
            [](const Library& a, const Library& b) { return a.name < b.name; });
  return libraries;
}

}  // namespace crema
