// Late changes come before all tables, and level n before level n + 1. Tables of level 0 may
// overlap, and need not be in the order of their numbers where a database was repaired, so there
// the highest sequence number decides.
#include "data/leveldb_lookup.h"

#include <utility>

namespace crema {
namespace {

bool MayHold(const LevelDbTableFile& file, std::string_view user) {
  LevelDbKey smallest, largest;
  return smallest.Parse(file.smallest) && largest.Parse(file.largest) && smallest.user <= user &&
         user <= largest.user;
}

}  // namespace

bool LevelDbLookup::Find(std::string_view key) {
  const LevelDbKey wanted = {key, LevelDbKey::kMostSequence, LevelDbKey::kStored};
  is_late_ = late_.Seek(wanted) && late_.key().user == key;
  if (is_late_) return late_.key().kind == LevelDbKey::kStored;
  bool found = SearchLevel0(wanted);
  for (size_t level = 1; !found && level < LevelDbVersion::kLevels; ++level) {
    found = SearchLevel(level, wanted);
  }
  return found && found_->entry.key().kind == LevelDbKey::kStored;
}

std::string_view LevelDbLookup::value() { return is_late_ ? late_.value() : found_->entry.value(); }

bool LevelDbLookup::SearchLevel0(const LevelDbKey& wanted) {
  const auto& files = version_.levels[0];
  bool found = false;
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    if (!MayHold(*file, wanted.user) || !Search(*file, wanted, other_)) continue;
    if (!found || other_->entry.key().sequence > found_->entry.key().sequence) {
      std::swap(found_, other_);
    }
    found = true;
  }
  return found;
}

bool LevelDbLookup::SearchLevel(size_t level, const LevelDbKey& wanted) {
  const auto& files = version_.levels[level];
  const LevelDbTableFile* const end = files.data() + files.size();
  const LevelDbTableFile* const file = FirstTableReaching(files.data(), files.size(), wanted);
  return file != end && MayHold(*file, wanted.user) && Search(*file, wanted, found_);
}

bool LevelDbLookup::Search(const LevelDbTableFile& file, const LevelDbKey& wanted, Spot* spot) {
  const std::shared_ptr<const LevelDbTable> table = tables_.Get(file);
  index_.Start(&table->file(), table->index());
  if (!index_.Seek(wanted)) return false;
  Load(table, index_.value(), spot);
  return spot->entry.Seek(wanted) && spot->entry.key().user == wanted.user;
}

void LevelDbLookup::Load(const std::shared_ptr<const LevelDbTable>& table, std::string_view place,
                         Spot* spot) {
  if (spot->table != table || spot->loaded != place.data()) {
    spot->loaded = nullptr;
    spot->table = table;
    spot->block = table->ReadBlock(table->ExtentOf(place), &spot->stored, &spot->unpacked);
    spot->loaded = place.data();
  }
  spot->entry.Start(&table->file(), spot->block);
}

}  // namespace crema
