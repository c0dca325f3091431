// Which files a LevelDB consists of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/data_file.h"

namespace crema {

// A table as the manifest describes it. The keys are those of tables (LevelDbKey).
struct LevelDbTableFile {
  uint64_t number = 0, size = 0;
  std::string smallest, largest;
};

struct LevelDbVersion {
  static constexpr size_t kLevels = 7;

  // The tables of level 0 may overlap. Those of another level do not; they are in the order of
  // their keys.
  std::vector<LevelDbTableFile> levels[kLevels];
  // The numbers of the logs whose changes are not in tables.
  std::vector<uint64_t> logs;
};

// Reads CURRENT and the manifest that it names, and lists the logs. Throws Error, with the data set
// named by `title`.
LevelDbVersion ReadLevelDbVersion(const std::string& folder, const std::string& title);

// "000005.log".
std::string LevelDbFileName(uint64_t number, const char* type);

}  // namespace crema
