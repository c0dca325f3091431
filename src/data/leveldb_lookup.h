// The search for one key of a LevelDB: it reads one block, where a place in all parts at once would
// take a block of each.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "data/leveldb_block.h"
#include "data/leveldb_late.h"
#include "data/leveldb_table.h"
#include "data/leveldb_version.h"

namespace crema {

// Used by one thread. Throws Error where the database is damaged. Filters, which tables may have
// and Caffe's do not, are passed over.
class LevelDbLookup {
 public:
  // All of these outlive it.
  LevelDbLookup(const LevelDbVersion* version, const LevelDbLateChanges* late,
                LevelDbTables* tables)
      : version_(*version), tables_(*tables), late_(late) {}

  // Whether the latest change of the key stored a value.
  bool Find(std::string_view key);
  // The value that was found. Valid until the next search.
  std::string_view value();

 private:
  // One block of a table, and an entry in it.
  struct Spot {
    std::shared_ptr<const LevelDbTable> table;
    const char* loaded = nullptr;  // the place, in the table's index, of the block
    ScratchBytes stored, unpacked;
    std::string_view block;
    LevelDbBlockCursor entry;
  };

  bool SearchLevel0(const LevelDbKey& wanted);
  bool SearchLevel(size_t level, const LevelDbKey& wanted);
  bool Search(const LevelDbTableFile& file, const LevelDbKey& wanted, Spot* spot);
  void Load(const std::shared_ptr<const LevelDbTable>& table, std::string_view place, Spot* spot);

  const LevelDbVersion& version_;
  LevelDbTables& tables_;
  LevelDbLatePart late_;
  LevelDbBlockCursor index_;
  Spot spots_[2];
  Spot *found_ = &spots_[0], *other_ = &spots_[1];
  bool is_late_ = false;
};

}  // namespace crema
