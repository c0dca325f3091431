// A block of a LevelDB's table: a row of keys and values, ordered by key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/data_file.h"
#include "data/leveldb_format.h"

namespace crema {

// A place in a block. Believes nothing that the block says: throws Error where it is damaged, with
// the name of its file.
class LevelDbBlockCursor {
 public:
  // `block` and `file` stay while the cursor is used. The cursor is at no entry.
  void Start(const DataFile* file, std::string_view block);

  // These move, and return whether there is such an entry.
  bool First();
  bool Next();
  // To the first entry whose key is at or after `key`.
  bool Seek(const LevelDbKey& key);

  // Valid until the cursor moves.
  const LevelDbKey& key() const { return key_; }
  std::string_view value() const { return value_; }

 private:
  [[noreturn]] void FailInvalid() const;
  uint64_t RestartAt(uint64_t index) const;
  bool GoTo(uint64_t restart);

  const DataFile* file_ = nullptr;
  std::string_view entries_, restarts_;
  uint64_t at_ = 0;  // where the next entry begins
  std::string key_bytes_;
  LevelDbKey key_;  // shows key_bytes_
  std::string_view value_;
};

}  // namespace crema
