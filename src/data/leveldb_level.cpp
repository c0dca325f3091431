#include "data/leveldb_level.h"

#include <algorithm>

namespace crema {

bool LevelDbLevel::Open(size_t number) {
  if (number >= count_) return false;
  if (table_ != nullptr && number == number_) return true;
  loaded_ = nullptr;
  table_ = tables_->Get(files_[number]);
  number_ = number;
  window_.emplace(&table_->file());
  index_.Start(&table_->file(), table_->index());
  return true;
}

// The block that the index is at.
void LevelDbLevel::LoadBlock() {
  const std::string_view place = index_.value();
  if (loaded_ != place.data()) {
    loaded_ = nullptr;
    block_ = table_->ReadBlock(place, &*window_, &unpacked_);
    loaded_ = place.data();
  }
  entry_.Start(&table_->file(), block_);
}

// To the first entry of the block that the index is at, or of the next table.
bool LevelDbLevel::FirstOfBlock(bool has_block) {
  for (; !has_block; has_block = index_.First()) {
    if (!Open(number_ + 1)) return false;
  }
  LoadBlock();
  if (!entry_.First()) table_->file().Damaged("a block is empty");
  return true;
}

bool LevelDbLevel::First() { return Open(0) && FirstOfBlock(index_.First()); }

bool LevelDbLevel::Next() { return entry_.Next() || FirstOfBlock(index_.Next()); }

bool LevelDbLevel::Seek(const LevelDbKey& key) {
  const LevelDbTableFile* const file = FirstTableReaching(files_, count_, key);
  if (!Open(static_cast<size_t>(file - files_))) return false;
  if (!index_.Seek(key)) return FirstOfBlock(false);
  LoadBlock();
  return entry_.Seek(key) || FirstOfBlock(index_.Next());
}

RecordPlace LevelDbLevel::place() const {
  const LevelDbTable::Extent block = table_->ExtentOf(index_.value());
  const std::string_view value = entry_.value();
  const auto in_block = static_cast<uint64_t>(value.data() - block_.data());
  const uint64_t file = first_place_ + number_;
  RecordPlace place;
  if (std::max({block.size, in_block, file}) >= RecordPlace::kUnknown) return place;
  place.file = static_cast<uint32_t>(file);
  place.size = static_cast<uint32_t>(value.size());
  place.offset = block.offset;
  if (block_.data() == unpacked_.data()) {
    place.block_size = static_cast<uint32_t>(block.size);
    place.in_block = static_cast<uint32_t>(in_block);
  } else {
    place.offset += in_block;  // as it is in the file
  }
  return place;
}

}  // namespace crema
