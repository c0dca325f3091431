// A record of a log is a batch of changes: the number of the first (8 bytes), how many there are
// (4), and for each its kind, its key and, if it stores something, its value.
//
// In memory a change is packed: the size of the key and the key, the sequence and the kind in one
// number and, if it stores something, the number of the log, the value's place there and its size.
// All numbers have seven bits a byte.
#include "data/leveldb_late.h"

#include <algorithm>
#include <cstring>

#include "crema/error.h"
#include "data/leveldb_log.h"
#include "data/leveldb_version.h"

namespace crema {
namespace {

constexpr size_t kPiece = 65536;  // of memory

bool ReadChange(LevelDbParser* parser, LevelDbKey* key, std::string_view* value) {
  std::string_view kind;
  if (!parser->Bytes(1, &kind) || !parser->Text(&key->user)) return false;
  key->kind = static_cast<unsigned char>(kind[0]);
  *value = {};
  return key->kind == LevelDbKey::kStored ? parser->Text(value) : key->kind == LevelDbKey::kDeleted;
}

void Append(uint64_t number, std::string* bytes) {
  for (; number >= 128; number >>= 7) *bytes += static_cast<char>((number & 127) | 128);
  *bytes += static_cast<char>(number);
}

// Takes what Append wrote.
uint64_t Take(const char** bytes) {
  uint64_t number = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*(*bytes)++);
    number |= uint64_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) == 0) return number;
  }
}

LevelDbKey TakeKey(const char** bytes) {
  LevelDbKey key;
  const uint64_t size = Take(bytes);
  key.user = {*bytes, size};
  *bytes += size;
  const uint64_t tail = Take(bytes);
  key.sequence = tail >> 1;
  key.kind = tail & 1;
  return key;
}

LevelDbKey KeyOf(const char* packed) { return TakeKey(&packed); }

}  // namespace

LevelDbLateChanges::LevelDbLateChanges(const std::string& folder, const std::vector<uint64_t>& logs,
                                       const std::string& title, OpenFiles* files) {
  for (const uint64_t number : logs) {
    logs_.push_back(
        std::make_unique<DataFile>(folder + "/" + LevelDbFileName(number, "log"), title, files));
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
    bool good = parser.Fixed64(&sequence) && parser.Fixed32(&count) &&
                sequence > last_sequence_.value_or(0) && sequence <= LevelDbKey::kMostSequence;
    for (; good && !parser.rest().empty(); ++changes) {
      LevelDbKey key;
      std::string_view value;
      good = ReadChange(&parser, &key, &value);
      if (!good) break;
      key.sequence = sequence + changes;
      const uint64_t end = record.size() - parser.rest().size();
      const uint64_t place = value.empty() ? 0 : log.Place(end - value.size());
      Add({key, logs_.size() - 1, place, value.size()});
    }
    if (!good || changes != count || sequence + changes > LevelDbKey::kMostSequence) {
      file.Damaged(Concat("the batch at byte ", log.Place(0), " is invalid"));
    }
    last_sequence_ = sequence + changes - 1;
  }
}

void LevelDbLateChanges::Add(const Change& change) {
  packed_.clear();
  Append(change.key.user.size(), &packed_);
  packed_ += change.key.user;
  Append(change.key.sequence << 1 | change.key.kind, &packed_);
  if (change.key.kind == LevelDbKey::kStored) {
    Append(change.log, &packed_);
    Append(change.place, &packed_);
    Append(change.value_size, &packed_);
  }
  if (packed_.size() > free_bytes_) {
    free_bytes_ = std::max(kPiece, packed_.size());
    memory_.emplace_back(new char[free_bytes_]);
    free_ = memory_.back().get();
  }
  std::memcpy(free_, packed_.data(), packed_.size());
  changes_.push_back(free_);
  free_ += packed_.size();
  free_bytes_ -= packed_.size();
}

LevelDbLateChanges::Change LevelDbLateChanges::Unpacked(const char* packed) const {
  Change change = {TakeKey(&packed), 0, 0, 0};
  if (change.key.kind != LevelDbKey::kStored) return change;
  change.log = Take(&packed);
  change.place = Take(&packed);
  change.value_size = Take(&packed);
  return change;
}

void LevelDbLateChanges::SortAndThin() {
  std::sort(changes_.begin(), changes_.end(),
            [](const char* a, const char* b) { return Compare(KeyOf(a), KeyOf(b)) < 0; });
  changes_.erase(
      std::unique(changes_.begin(), changes_.end(),
                  [](const char* a, const char* b) { return KeyOf(a).user == KeyOf(b).user; }),
      changes_.end());
}

size_t LevelDbLateChanges::CountBefore(const LevelDbKey& key) const {
  const auto found = std::lower_bound(changes_.begin(), changes_.end(), key,
                                      [](const char* change, const LevelDbKey& wanted) {
                                        return Compare(KeyOf(change), wanted) < 0;
                                      });
  return static_cast<size_t>(found - changes_.begin());
}

bool LevelDbLatePart::GoTo(size_t at) {
  at_ = std::min(at, late_.size());
  if (at_ == late_.size()) return false;
  change_ = late_[at_];
  return true;
}

std::string_view LevelDbLatePart::value() {
  if (change_.value_size == 0) return {};
  const DataFile* const log = &late_.log(change_.log);
  if (log_ != log) {
    window_.emplace(log);
    log_ = log;
  }
  return ReadLevelDbLog(&*window_, change_.place, change_.value_size, &joined_);
}

RecordPlace LevelDbLatePart::place() const {
  RecordPlace place;
  if (change_.log >= RecordPlace::kUnknown) return place;
  place.file = static_cast<uint32_t>(change_.log);
  place.offset = change_.place;
  place.size = static_cast<uint32_t>(change_.value_size);
  return place;
}

}  // namespace crema
