// A table ends with the places of two blocks, of which the second is the index, and a magic number.
// A place is an offset and a size. Behind each block are a byte that names its compression and a
// checksum of both.
#include "data/leveldb_table.h"

#include "crema/error.h"
#include "data/leveldb_format.h"
#include "data/record_source.h"
#include "data/snappy.h"

namespace crema {
namespace {

constexpr uint64_t kFooter = 48, kTrailer = 5, kMagic = 0xDB4775248B80FB57;
constexpr char kPlain = 0, kSnappy = 1;
// Of indexes that stay in memory.
constexpr size_t kMostIndexBytes = size_t{64} << 20;

}  // namespace

LevelDbTable::LevelDbTable(const std::string& folder, const LevelDbTableFile& file,
                           const std::string& title, OpenFiles* files)
    : file_(LevelDbTablePath(folder, file.number), title, files) {
  if (file_.size() != file.size) {
    file_.Damaged(Concat("it has ", file_.size(), " bytes, expected ", file.size));
  }
  if (file_.size() < kFooter) file_.Damaged("it is too short for a table");
  char footer[kFooter];
  file_.Read(file_.size() - kFooter, kFooter, footer);
  LevelDbParser parser({footer, kFooter}), end({footer + kFooter - 8, 8});
  uint64_t offset, size, magic;
  const bool has_other = parser.Varint(&offset) && parser.Varint(&size);
  const std::string_view index = parser.rest();
  if (!has_other || !end.Fixed64(&magic) || magic != kMagic) {
    file_.Damaged("it does not end as a table does");
  }
  FileWindow window(&file_);
  ScratchBytes buffer;
  index_ = ReadBlock(index, &window, &buffer);
}

std::string_view LevelDbTable::ReadBlock(std::string_view place, FileWindow* window,
                                         ScratchBytes* unpacked) const {
  const Extent at = ExtentOf(place);
  return Unpack(at, window->Get(at.offset, at.size + kTrailer), unpacked);
}

std::string_view LevelDbTable::ReadBlock(const Extent& at, ScratchBytes* stored,
                                         ScratchBytes* unpacked) const {
  file_.CheckInside(at.offset, at.size + kTrailer);
  char* const bytes = stored->Reserve(at.size + kTrailer);
  file_.Read(at.offset, at.size + kTrailer, bytes);
  return Unpack(at, bytes, unpacked);
}

LevelDbTable::Extent LevelDbTable::ExtentOf(std::string_view place) const {
  LevelDbParser parser(place);
  Extent at;
  if (!parser.Varint(&at.offset) || !parser.Varint(&at.size) || at.size > file_.size()) {
    file_.Damaged("the place of a block is invalid");
  }
  return at;
}

// `stored` is the block and what stands behind it.
std::string_view LevelDbTable::Unpack(const Extent& at, const char* stored,
                                      ScratchBytes* unpacked) const {
  const std::string_view block(stored, at.size), checked(stored, at.size + 1);
  const char compression = stored[at.size];
  uint64_t checksum = 0;
  LevelDbParser({stored + at.size + 1, kTrailer - 1}).Fixed32(&checksum);
  const auto damaged = [&](const char* what) {
    file_.Damaged(Concat("the block at byte ", at.offset, " ", what));
  };
  if (!LevelDbChecksumFits(checksum, checked)) damaged("is invalid");
  if (compression == kPlain) return block;
  if (compression != kSnappy) {
    FailDatabase(file_.title(), "read",
                 Concat(file_.name(), " is compressed by method ", static_cast<int>(compression),
                        "; only Snappy (1) is supported, so convert it"));
  }
  std::string_view result;
  if (!Unsnap(block, unpacked, &result)) damaged("cannot be decompressed");
  return result;
}

std::shared_ptr<const LevelDbTable> LevelDbTables::Get(const LevelDbTableFile& file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = loaded_.find(file.number);
  if (found != loaded_.end()) {
    uses_.splice(uses_.begin(), uses_, found->second.use);
    return found->second.table;
  }
  auto table = std::make_shared<const LevelDbTable>(folder_, file, title_, files_);
  while (!uses_.empty() && bytes_ + table->index().size() > kMostIndexBytes) {
    const auto oldest = loaded_.find(uses_.back());
    bytes_ -= oldest->second.table->index().size();
    loaded_.erase(oldest);
    uses_.pop_back();
  }
  bytes_ += table->index().size();
  uses_.push_front(file.number);
  loaded_[file.number] = {table, uses_.begin()};
  first_stamps_.emplace(file.number, table->file().stamp());
  return table;
}

bool LevelDbTables::IsUnchanged(const LevelDbTableFile& file) {
  const DataFile::Stamp now = Get(file)->file().StampNow();
  const std::lock_guard<std::mutex> lock(mutex_);
  return first_stamps_.at(file.number) == now;
}

}  // namespace crema
