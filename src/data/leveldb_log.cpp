// A part is a checksum of what follows it but the size (4 bytes), its size (2), its kind (1), and
// its bytes. All but a record's last part reach to the end of their block, so the place of any byte
// follows from where the record begins.
#include "data/leveldb_log.h"

#include <algorithm>
#include <cstring>

#include "crema/error.h"
#include "data/leveldb_format.h"
#include "data/record_source.h"

namespace crema {
namespace {

constexpr uint64_t kBlock = 32768, kHeader = 7;
enum Kind : unsigned char { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// The end of the block that holds byte `at`.
uint64_t BlockEnd(uint64_t at) { return (at / kBlock + 1) * kBlock; }

}  // namespace

void LevelDbLog::FailCutOff() const {
  FailDatabase(file_->title(), "read",
               Concat(file_->name(), " ends in the middle of the record at byte ", at_,
                      ": it was not written or not copied to its end; copy it again or recreate "
                      "it"));
}

void LevelDbLog::FailInvalid() const {
  file_->Damaged(Concat("the record at byte ", at_, " is invalid"));
}

LevelDbLog::Part LevelDbLog::ReadPart() {
  const uint64_t block_end = BlockEnd(at_), left = std::min(block_end, file_->size()) - at_;
  if (left < kHeader) FailCutOff();
  LevelDbParser header({window_.Get(at_, kHeader), kHeader});
  uint64_t checksum = 0;
  std::string_view rest;
  header.Fixed32(&checksum);
  header.Bytes(3, &rest);
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(rest[i]); };
  const uint64_t size = byte(0) | uint64_t{byte(1)} << 8;
  const unsigned char kind = byte(2);
  if (kHeader + size > block_end - at_) FailInvalid();
  if (kHeader + size > left) FailCutOff();
  const std::string_view checked(window_.Get(at_ + kHeader - 1, 1 + size), 1 + size);
  if (kind < kWhole || kind > kLast || !LevelDbChecksumFits(checksum, checked)) FailInvalid();
  const Part part = {checked.substr(1), kind == kWhole || kind == kFirst,
                     kind == kWhole || kind == kLast};
  if (!part.ends && at_ + kHeader + size != block_end) FailInvalid();
  return part;
}

// Old versions of LevelDB enlarge a file by zeros in advance, and cut them off when they close it.
bool LevelDbLog::IsZeroToItsEnd() {
  for (uint64_t at = at_; at < file_->size();) {
    const size_t count = std::min<uint64_t>(at == at_ ? kHeader : kBlock, file_->size() - at);
    const char* const bytes = window_.Get(at, count);
    if (std::any_of(bytes, bytes + count, [](char byte) { return byte != 0; })) return false;
    at += count;
  }
  return true;
}

bool LevelDbLog::Next(std::string* record) {
  record->clear();
  for (bool inside = false;; inside = true) {
    // Too little room for a header stays empty.
    if (BlockEnd(at_) - at_ < kHeader) at_ = std::min(BlockEnd(at_), file_->size());
    if (at_ == file_->size()) {
      if (inside) FailCutOff();
      return false;
    }
    if (!inside && IsZeroToItsEnd()) return false;
    const Part part = ReadPart();
    // Old versions begin anew behind an empty first part.
    if (part.begins ? inside && !record->empty() : !inside) FailInvalid();
    if (part.begins) begin_ = at_ + kHeader;
    record->append(part.bytes);
    at_ += kHeader + part.bytes.size();
    if (part.ends) return true;
  }
}

uint64_t LevelDbLog::Place(uint64_t at) const {
  const uint64_t room = BlockEnd(begin_ - 1) - begin_;  // a first part may be empty
  if (at < room) return begin_ + at;
  const uint64_t later = at - room, per_block = kBlock - kHeader;
  return begin_ + room + later / per_block * kBlock + kHeader + later % per_block;
}

std::string_view ReadLevelDbLog(FileWindow* window, uint64_t place, uint64_t size,
                                ScratchBytes* buffer) {
  if (size == 0) return {};
  const uint64_t room = BlockEnd(place) - place;
  if (size <= room) return {window->Get(place, size), size};
  char* const begin = buffer->Reserve(size);
  for (uint64_t done = 0; done < size; place = BlockEnd(place) + kHeader) {
    const uint64_t count = std::min(size - done, BlockEnd(place) - place);
    std::memcpy(begin + done, window->Get(place, count), count);
    done += count;
  }
  return {begin, size};
}

void ReadLevelDbLog(const DataFile& log, uint64_t place, uint64_t size, std::string* bytes) {
  constexpr uint64_t kPerBlock = kBlock - kHeader;
  const uint64_t room = BlockEnd(place) - place;
  const uint64_t headers = size <= room ? 0 : (size - room - 1) / kPerBlock + 1;
  const uint64_t stored = size + headers * kHeader;
  log.CheckInside(place, stored);
  bytes->resize(stored);
  log.Read(place, stored, bytes->data());
  if (headers == 0) return;
  char* const begin = bytes->data();
  for (uint64_t done = room; done < size;) {
    const uint64_t header = (done - room) / kPerBlock + 1, count = std::min(size - done, kPerBlock);
    std::memmove(begin + done, begin + done + header * kHeader, count);
    done += count;
  }
  bytes->resize(size);
}

}  // namespace crema
