// Values of a LevelDB whose places are known, as shuffled reading needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/leveldb_late.h"
#include "data/leveldb_table.h"
#include "data/leveldb_version.h"
#include "data/record_source.h"
#include "data/scratch_bytes.h"

namespace crema {

// Blocks that were decompressed, for all readers of a database. Blocks that are stored as they are
// need not be here: of those, a reader takes just the value. Any thread may call it.
class LevelDbBlockCache {
 public:
  struct Block {
    ScratchBytes memory;
    std::string_view bytes;  // in it
  };
  using Key = std::pair<uint32_t, uint64_t>;  // a file, as in RecordPlace, and an offset

  // Keeps those that were used last, of at most `most` bytes in all.
  explicit LevelDbBlockCache(size_t most = size_t{32} << 20) : most_(most) {}

  // Null if the block is not here.
  std::shared_ptr<const Block> Find(const Key& key);
  void Keep(const Key& key, std::shared_ptr<const Block> block);

 private:
  struct Entry {
    std::shared_ptr<const Block> block;
    std::list<Key>::iterator use;
  };

  const size_t most_;
  std::mutex mutex_;
  std::map<Key, Entry> blocks_;
  std::list<Key> uses_;  // the latest first
  size_t bytes_ = 0;
};

// Used by one thread. Throws Error where the database is damaged or was changed.
//
// Whoever noted a place had checked the block. A block that is decompressed is checked again when
// it is read again; of a block that is stored as it is, only the value is read, which is right as
// long as the file's stamp is what it was when the table was opened for the first time.
class LevelDbValues {
 public:
  // All of these outlive it.
  LevelDbValues(const LevelDbVersion& version, const LevelDbLateChanges* late,
                LevelDbTables* tables, LevelDbBlockCache* cache);

  void Read(const RecordPlace& place, std::string* value);
  // Whether the tables that were read since the last call are as they were. Logs are not asked
  // about: they are read and checked when the database is opened, and no search checks them again.
  bool AreAsListed();

 private:
  void ReadPacked(const LevelDbTable& table, const RecordPlace& place, std::string* value);
  [[noreturn]] void FailChanged(const LevelDbTable& table) const;

  const LevelDbLateChanges& late_;
  LevelDbTables& tables_;
  LevelDbBlockCache& cache_;
  std::vector<const LevelDbTableFile*> files_;  // in the order of their numbers in places
  std::vector<bool> is_used_;                   // since the last call of AreAsListed
  std::vector<size_t> used_;
  ScratchBytes stored_;
};

}  // namespace crema
