// A level of a LevelDB: tables that do not overlap, in order.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "data/leveldb_block.h"
#include "data/leveldb_part.h"
#include "data/leveldb_table.h"
#include "data/leveldb_version.h"

namespace crema {

class LevelDbLevel : public LevelDbPart {
 public:
  // Of `count` files, of which the first has the number `first_place` in places. They and the
  // tables outlive it.
  LevelDbLevel(LevelDbTables* tables, const LevelDbTableFile* files, size_t count,
               size_t first_place)
      : tables_(tables), files_(files), count_(count), first_place_(first_place) {}

  bool First() override;
  bool Next() override;
  bool Seek(const LevelDbKey& key) override;
  const LevelDbKey& key() const override { return entry_.key(); }
  std::string_view value() override { return entry_.value(); }
  RecordPlace place() const override;

 private:
  bool Open(size_t number);
  void LoadBlock();
  bool FirstOfBlock(bool has_block);

  LevelDbTables* const tables_;
  const LevelDbTableFile* const files_;
  const size_t count_, first_place_;
  size_t number_ = 0;                          // of the table below
  std::shared_ptr<const LevelDbTable> table_;  // null: none
  std::optional<FileWindow> window_;
  ScratchBytes unpacked_;
  LevelDbBlockCursor index_, entry_;
  const char* loaded_ = nullptr;  // the place, in the index, of the block that `block_` shows
  std::string_view block_;
};

}  // namespace crema
