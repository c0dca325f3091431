// Which files a LevelDB consists of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/leveldb_format.h"

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
  // Of the latest change that was made before the manifest was written to the last time.
  uint64_t last_sequence = 0;

  uint64_t bytes() const;  // of the tables
};

// Reads CURRENT and the manifest that it names, and lists the logs. All tables are there, in the
// sizes that the manifest says. Throws Error, with the data set named by `title`.
LevelDbVersion ReadLevelDbVersion(const std::string& folder, const std::string& title);

// The first of `count` tables of one level, not level 0, that may have keys at or after `key`; the
// end of them if there is none.
const LevelDbTableFile* FirstTableReaching(const LevelDbTableFile* files, size_t count,
                                           const LevelDbKey& key);

// The path of a table.
std::string LevelDbTablePath(const std::string& folder, uint64_t number);

// "000005.log".
std::string LevelDbFileName(uint64_t number, const char* type);

}  // namespace crema
