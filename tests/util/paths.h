// Where the tests find the source tree and the program. Compiled into one file, so that all others
// are the same for every checkout and a compiler cache can serve them.
#pragma once

#include <filesystem>

namespace crema {

std::filesystem::path SourceFolder();
std::filesystem::path ToolPath();
// The library of tests/tools/preload.
std::filesystem::path FaultsPath();

// Real data that the project does not hold: CREMA_SHARED_DIR, or ../shared beside the source tree.
// What needs it skips where it is absent.
std::filesystem::path SharedFolder();

}  // namespace crema
