#include "util/paths.h"

#include <cstdlib>

namespace crema {

std::filesystem::path SourceFolder() { return CREMA_SOURCE_DIR; }

std::filesystem::path ToolPath() { return CREMA_TOOL; }

std::filesystem::path FaultsPath() { return CREMA_FAULTS; }

std::filesystem::path SharedFolder() {
  const char* shared = std::getenv("CREMA_SHARED_DIR");
  return shared != nullptr ? std::filesystem::path(shared) : SourceFolder() / ".." / "shared";
}

}  // namespace crema
