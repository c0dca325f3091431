// A record of a log is a batch of changes: the number of the first (8 bytes), how many there are
// (4), and for each its kind, its key and, if it stores something, its value.
#include "data/leveldb_late.h"

#include <algorithm>

#include "crema/base/error.h"
#include "data/leveldb_log.h"
#include "data/leveldb_version.h"

namespace crema {
namespace {

LevelDbKey KeyOf(const LevelDbLateChanges::Change& change) {
  return {change.key, change.sequence, change.kind};
}

bool ReadChange(LevelDbParser* parser, LevelDbKey* key, std::string_view* value) {
  std::string_view kind;
  if (!parser->Bytes(1, &kind) || !parser->Text(&key->user)) return false;
  key->kind = static_cast<unsigned char>(kind[0]);
  *value = {};
  return key->kind == LevelDbKey::kStored ? parser->Text(value) : key->kind == LevelDbKey::kDeleted;
}

}  // namespace

LevelDbLateChanges::LevelDbLateChanges(const std::string& folder, const std::vector<uint64_t>& logs,
                                       const std::string& title) {
  for (const uint64_t number : logs) {
    logs_.push_back(
        std::make_unique<DataFile>(folder + "/" + LevelDbFileName(number, "log"), title));
    ReadLog(*logs_.back());
  }
  SortAndThin();
}

uint64_t LevelDbLateChanges::bytes() const {
  uint64_t bytes = 0;
  for (const auto& log : logs_) bytes += log->size();
  return bytes;
}

void LevelDbLateChanges::ReadLog(const DataFile& file) {
  LevelDbLog log(&file);
  std::string record;
  while (log.Next(&record)) {
    LevelDbParser parser(record);
    uint64_t sequence = 0, count = 0, changes = 0;
    bool good = parser.Fixed64(&sequence) && parser.Fixed32(&count);
    for (; good && !parser.rest().empty(); ++changes) {
      LevelDbKey key;
      std::string_view value;
      good = ReadChange(&parser, &key, &value);
      if (!good) break;
      const uint64_t end = record.size() - parser.rest().size();
      changes_.push_back({std::string(key.user), sequence + changes, key.kind, &file,
                          value.empty() ? 0 : log.Place(end - value.size()), value.size()});
    }
    if (!good || changes != count || sequence + changes > LevelDbKey::kMostSequence) {
      file.Damaged(Concat("the batch at byte ", log.Place(0), " is invalid"));
    }
  }
}

void LevelDbLateChanges::SortAndThin() {
  std::sort(changes_.begin(), changes_.end(),
            [](const Change& a, const Change& b) { return Compare(KeyOf(a), KeyOf(b)) < 0; });
  changes_.erase(std::unique(changes_.begin(), changes_.end(),
                             [](const Change& a, const Change& b) { return a.key == b.key; }),
                 changes_.end());
  changes_.shrink_to_fit();
}

bool LevelDbLatePart::GoTo(size_t at) {
  at_ = std::min(at, changes_.size());
  if (at_ == changes_.size()) return false;
  key_ = KeyOf(changes_[at_]);
  return true;
}

bool LevelDbLatePart::Seek(const LevelDbKey& key) {
  const auto found = std::lower_bound(changes_.begin(), changes_.end(), key,
                                      [](const auto& change, const LevelDbKey& wanted) {
                                        return Compare(KeyOf(change), wanted) < 0;
                                      });
  return GoTo(static_cast<size_t>(found - changes_.begin()));
}

std::string_view LevelDbLatePart::value() {
  const LevelDbLateChanges::Change& change = changes_[at_];
  if (log_ != change.log) {
    window_.emplace(change.log);
    log_ = change.log;
  }
  return ReadLevelDbLog(&*window_, change.place, change.value_size, &joined_);
}

}  // namespace crema
