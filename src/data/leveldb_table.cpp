// A table ends with the places of two blocks, of which the second is the index, and a magic number.
// A place is an offset and a size. Behind each block are a byte that names its compression and a
// checksum of both.
#include "data/leveldb_table.h"

#include <filesystem>
#include <utility>

#include "crema/base/error.h"
#include "data/leveldb_format.h"
#include "data/record_source.h"
#include "data/snappy.h"

namespace crema {
namespace {

constexpr uint64_t kFooter = 48, kTrailer = 5, kMagic = 0xDB4775248B80FB57;
constexpr char kPlain = 0, kSnappy = 1;
// Files that stay open: a process may have 1024 on most systems.
constexpr size_t kMostOpen = 256;

// Before LevelDB 1.14, tables were called .sst.
std::string FindTable(const std::string& folder, uint64_t number) {
  const std::string path = folder + "/" + LevelDbFileName(number, "ldb");
  const std::string old = folder + "/" + LevelDbFileName(number, "sst");
  std::error_code ignored;
  const bool is_old =
      !std::filesystem::exists(path, ignored) && std::filesystem::exists(old, ignored);
  return is_old ? old : path;
}

}  // namespace

LevelDbTable::LevelDbTable(const std::string& folder, const LevelDbTableFile& file,
                           const std::string& title)
    : file_(FindTable(folder, file.number), title) {
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
                                         ScratchBytes* buffer) const {
  LevelDbParser parser(place);
  uint64_t offset, size, checksum = 0;
  if (!parser.Varint(&offset) || !parser.Varint(&size) || size > file_.size()) {
    file_.Damaged("the place of a block is invalid");
  }
  const std::string_view whole(window->Get(offset, size + kTrailer), size + kTrailer);
  const std::string_view checked = whole.substr(0, size + 1);
  LevelDbParser(whole.substr(size + 1)).Fixed32(&checksum);
  const auto damaged = [&](const char* what) {
    file_.Damaged(Concat("the block at byte ", offset, " ", what));
  };
  if (!LevelDbChecksumFits(checksum, checked)) damaged("is invalid");
  const std::string_view stored = whole.substr(0, size);
  std::string_view unpacked = stored;
  if (whole[size] == kSnappy) {
    if (!Unsnap(stored, buffer, &unpacked)) damaged("cannot be decompressed");
  } else if (whole[size] != kPlain) {
    FailDatabase(file_.title(), "read",
                 Concat(file_.name(), " is compressed by method ", static_cast<int>(whole[size]),
                        "; only Snappy (1) is supported, so convert it"));
  }
  return unpacked;
}

std::shared_ptr<const LevelDbTable> LevelDbTables::Get(const LevelDbTableFile& file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(file.number);
  if (found != open_.end()) {
    uses_.splice(uses_.begin(), uses_, found->second.use);
    return found->second.table;
  }
  auto table = std::make_shared<const LevelDbTable>(folder_, file, title_);
  if (open_.size() >= kMostOpen) {
    open_.erase(uses_.back());
    uses_.pop_back();
  }
  uses_.push_front(file.number);
  open_[file.number] = {table, uses_.begin()};
  return table;
}

}  // namespace crema
