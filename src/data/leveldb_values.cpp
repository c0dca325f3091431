#include "data/leveldb_values.h"

#include "data/leveldb_log.h"

namespace crema {

std::shared_ptr<const LevelDbBlockCache::Block> LevelDbBlockCache::Find(const Key& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = blocks_.find(key);
  if (found == blocks_.end()) return nullptr;
  uses_.splice(uses_.begin(), uses_, found->second.use);
  return found->second.block;
}

void LevelDbBlockCache::Keep(const Key& key, std::shared_ptr<const Block> block) {
  const size_t size = block->bytes.size();
  const std::lock_guard<std::mutex> lock(mutex_);
  // Another thread may have been faster.
  if (size > most_ || blocks_.count(key) != 0) return;
  while (bytes_ + size > most_) {
    const auto oldest = blocks_.find(uses_.back());
    bytes_ -= oldest->second.block->bytes.size();
    blocks_.erase(oldest);
    uses_.pop_back();
  }
  uses_.push_front(key);
  blocks_[key] = {std::move(block), uses_.begin()};
  bytes_ += size;
}

LevelDbValues::LevelDbValues(const LevelDbVersion& version, const LevelDbLateChanges* late,
                             LevelDbTables* tables, LevelDbBlockCache* cache)
    : late_(*late), tables_(*tables), cache_(*cache) {
  for (const auto& level : version.levels) {
    for (const LevelDbTableFile& file : level) files_.push_back(&file);
  }
  is_used_.resize(files_.size());
}

void LevelDbValues::Read(const RecordPlace& place, std::string* value) {
  if (place.file < late_.logs()) {
    ReadLevelDbLog(late_.log(place.file), place.offset, place.size, value);
    return;
  }
  const size_t number = place.file - late_.logs();
  if (!is_used_[number]) used_.push_back(number);
  is_used_[number] = true;
  const std::shared_ptr<const LevelDbTable> table = tables_.Get(*files_[number]);
  if (place.block_size > 0) {
    ReadPacked(*table, place, value);
    return;
  }
  value->resize(place.size);
  table->file().Read(place.offset, place.size, value->data());
}

void LevelDbValues::ReadPacked(const LevelDbTable& table, const RecordPlace& place,
                               std::string* value) {
  const LevelDbBlockCache::Key key = {place.file, place.offset};
  std::shared_ptr<const LevelDbBlockCache::Block> block = cache_.Find(key);
  if (block == nullptr) {
    const auto read = std::make_shared<LevelDbBlockCache::Block>();
    read->bytes = table.ReadBlock({place.offset, place.block_size}, &stored_, &read->memory);
    if (read->bytes.data() != read->memory.data()) FailChanged(table);  // no longer packed
    block = read;
    cache_.Keep(key, block);
  }
  const uint64_t size = block->bytes.size();
  if (place.in_block > size || place.size > size - place.in_block) FailChanged(table);
  value->assign(block->bytes.substr(place.in_block, place.size));
}

void LevelDbValues::FailChanged(const LevelDbTable& table) const {
  FailDatabase(table.file().title(), "read",
               table.file().name() +
                   " has been changed since it was opened; do not change a database while it is "
                   "in use");
}

bool LevelDbValues::AreAsListed() {
  bool same = true;
  for (const size_t number : used_) {
    is_used_[number] = false;
    same = same && tables_.IsUnchanged(*files_[number]);
  }
  used_.clear();
  return same;
}

}  // namespace crema
