// A table of a LevelDB: a file of blocks, ordered by key.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "data/data_file.h"
#include "data/leveldb_version.h"
#include "data/scratch_bytes.h"

namespace crema {

// An open table. Any thread may call it; all functions throw Error where it is damaged.
class LevelDbTable {
 public:
  LevelDbTable(const std::string& folder, const LevelDbTableFile& file, const std::string& title);

  const DataFile& file() const { return file_; }
  // The block that holds, for each other block, the last key and the place.
  std::string_view index() const { return index_; }

  // Reads and checks the block at `place`, which is a value of the index. The result is in `window`
  // or `buffer`.
  std::string_view ReadBlock(std::string_view place, FileWindow* window,
                             ScratchBytes* buffer) const;

 private:
  DataFile file_;
  std::string index_;
};

// The tables of a database, of which some are open. Any thread may call it.
class LevelDbTables {
 public:
  LevelDbTables(const std::string& folder, const std::string& title)
      : folder_(folder), title_(title) {}

  // The table, which stays open at least as long as it is held.
  std::shared_ptr<const LevelDbTable> Get(const LevelDbTableFile& file);

 private:
  struct Entry {
    std::shared_ptr<const LevelDbTable> table;
    std::list<uint64_t>::iterator use;
  };

  const std::string folder_, title_;
  std::mutex mutex_;
  std::map<uint64_t, Entry> open_;  // by number
  std::list<uint64_t> uses_;        // numbers, the latest use first
};

}  // namespace crema
