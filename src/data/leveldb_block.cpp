// An entry is three sizes and the bytes of a key and a value. Of the key, only what differs from
// the key before is stored: the first size says how many bytes the two share. Every few entries
// there is a restart, which shares nothing. The places of the restarts and their number end the
// block.
#include "data/leveldb_block.h"

#include "crema/error.h"

namespace crema {
namespace {

// No data set has longer keys. Without a limit a small block could stand for endless bytes of keys.
constexpr uint64_t kMostKeyBytes = 65536;

}  // namespace

void LevelDbBlockCursor::FailInvalid() const {
  file_->Damaged(Concat("the entry at byte ", at_, " of a block is invalid"));
}

void LevelDbBlockCursor::Start(const DataFile* file, std::string_view block) {
  file_ = file;
  uint64_t count = 0;
  const bool has_count =
      block.size() >= 4 && LevelDbParser(block.substr(block.size() - 4)).Fixed32(&count);
  if (!has_count || count == 0 || count > block.size() / 4 - 1) {
    file_->Damaged("a block has no valid list of places");
  }
  entries_ = block.substr(0, block.size() - 4 * (count + 1));
  restarts_ = block.substr(entries_.size(), 4 * count);
  at_ = entries_.size();
  key_bytes_.clear();
}

uint64_t LevelDbBlockCursor::RestartAt(uint64_t index) const {
  uint64_t at = 0;
  LevelDbParser(restarts_.substr(4 * index)).Fixed32(&at);
  return at;
}

// To the entry at a restart, if the block is not empty.
bool LevelDbBlockCursor::GoTo(uint64_t restart) {
  at_ = RestartAt(restart);
  key_bytes_.clear();
  if (at_ > entries_.size()) FailInvalid();
  return Next();
}

bool LevelDbBlockCursor::First() {
  at_ = 0;
  key_bytes_.clear();
  return Next();
}

bool LevelDbBlockCursor::Next() {
  if (at_ == entries_.size()) return false;
  LevelDbParser parser(entries_.substr(at_));
  uint64_t shared, own, value_size;
  std::string_view rest_of_key;
  if (!parser.Varint32(&shared) || !parser.Varint32(&own) || !parser.Varint32(&value_size) ||
      shared > key_bytes_.size() || shared + own > kMostKeyBytes ||
      !parser.Bytes(own, &rest_of_key) || !parser.Bytes(value_size, &value_)) {
    FailInvalid();
  }
  key_bytes_.resize(shared);
  key_bytes_.append(rest_of_key);
  if (!key_.Parse(key_bytes_)) FailInvalid();
  at_ = entries_.size() - parser.rest().size();
  return true;
}

bool LevelDbBlockCursor::Seek(const LevelDbKey& key) {
  // The last restart whose key is before `key`; the first one where none is.
  uint64_t low = 0, high = restarts_.size() / 4;
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    if (!GoTo(middle)) FailInvalid();
    (Compare(key_, key) < 0 ? low : high) = middle;
  }
  bool found = low == 0 ? First() : GoTo(low);
  while (found && Compare(key_, key) < 0) found = Next();
  return found;
}

}  // namespace crema
