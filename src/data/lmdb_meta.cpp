#include "data/lmdb_meta.h"

#include <glog/logging.h>

#include <cstring>
#include <optional>

#include "crema/error.h"
#include "data/record_source.h"

namespace crema {
namespace {

template <class T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

constexpr size_t kTransactionAt = 144;
// The numbers of branch, leaf and overflow pages of the free pages' tree and of the records' tree.
constexpr size_t kPageCountsAt[] = {48, 56, 64, 96, 104, 112};

// The sum, or the largest number if there is none so large.
uint64_t UsedPages(const char* bytes) {
  uint64_t sum = 0;
  for (const size_t at : kPageCountsAt) {
    const auto count = Load<uint64_t>(bytes + at);
    sum = count > UINT64_MAX - sum ? UINT64_MAX : sum + count;
  }
  return sum;
}

bool IsPageSize(uint32_t size) { return size >= 256 && size <= 65536 && (size & (size - 1)) == 0; }

[[noreturn]] void FailTruncated(const DataFile& file, const std::string& found) {
  FailDatabase(file.title(), "opened",
               file.name() + " is truncated: " + found + "; copy it again or recreate it");
}

LmdbMeta ReadMeta(const DataFile& file, uint64_t offset) {
  if (file.size() < offset + LmdbMeta::kBytes) {
    FailTruncated(file, Concat("it has only ", file.size(), " bytes"));
  }
  char bytes[LmdbMeta::kBytes];
  file.Read(offset, sizeof bytes, bytes);
  return LmdbMeta::Parse(bytes);
}

// Whether page `number` is a meta page as LMDB writes it: transaction n goes to page n modulo 2. A
// write that was cut short leaves the old number, which stands last.
bool IsMetaPage(const LmdbMeta& meta, uint64_t number) {
  constexpr uint16_t kMetaPage = 0x08;
  return (meta.page_flags & kMetaPage) != 0 && meta.magic == LmdbMeta::kMagic &&
         IsPageSize(meta.page_size) && (meta.transaction == 0 || meta.transaction % 2 == number);
}

// The second meta page where the first does not tell how large a page is.
std::optional<LmdbMeta> SearchSecond(const DataFile& file) {
  for (uint32_t size = 256; IsPageSize(size); size *= 2) {
    if (file.size() < size + LmdbMeta::kBytes) break;
    const LmdbMeta meta = ReadMeta(file, size);
    if (IsMetaPage(meta, 1) && meta.page_size == size) return meta;
  }
  return std::nullopt;
}

void CheckVersion(const DataFile& file, const LmdbMeta& meta) {
  if (meta.version == LmdbMeta::kVersion) return;
  FailDatabase(file.title(), "opened",
               Concat(file.name(), " has version ", meta.version, " of LMDB's format, expected ",
                      LmdbMeta::kVersion, "; recreate it with LMDB 0.9"));
}

LmdbMeta Chosen(LmdbMeta latest, const LmdbMeta& other) {
  latest.other_transaction = other.transaction;
  return latest;
}

void WarnOfDamaged(const DataFile& file, const char* which) {
  LOG(WARNING) << file.title() << ": the " << which << " page of " << file.name()
               << " is damaged, so the other one counts; records that were written last may be "
                  "lost";
}

LmdbMeta ChooseMeta(const DataFile& file) {
  const LmdbMeta first = ReadMeta(file, 0);
  if (!IsMetaPage(first, 0)) {
    const std::optional<LmdbMeta> second = SearchSecond(file);
    if (!second.has_value()) {
      FailDatabase(
          file.title(), "opened",
          file.name() + " is not an LMDB file from a 64-bit machine; copy it again or recreate it");
    }
    WarnOfDamaged(file, "first");
    return Chosen(*second, first);
  }
  CheckVersion(file, first);
  const LmdbMeta second = ReadMeta(file, first.page_size);
  if (!IsMetaPage(second, 1)) {
    WarnOfDamaged(file, "second");
    return Chosen(first, second);
  }
  CheckVersion(file, second);
  return second.transaction > first.transaction ? Chosen(second, first) : Chosen(first, second);
}

}  // namespace

LmdbMeta LmdbMeta::Parse(const char* bytes) {
  LmdbMeta meta;
  meta.page_flags = Load<uint16_t>(bytes + 10);
  meta.magic = Load<uint32_t>(bytes + 16);
  meta.version = Load<uint32_t>(bytes + 20);
  meta.page_size = Load<uint32_t>(bytes + 40);
  meta.flags = Load<uint16_t>(bytes + 92);
  meta.depth = Load<uint16_t>(bytes + 94);
  meta.entries = Load<uint64_t>(bytes + 120);
  meta.root = Load<uint64_t>(bytes + 128);
  meta.last_page = Load<uint64_t>(bytes + 136);
  meta.used_pages = UsedPages(bytes);
  meta.transaction = Load<uint64_t>(bytes + kTransactionAt);
  meta.other_transaction = 0;
  return meta;
}

LmdbMeta LatestLmdbMeta(const DataFile& file) {
  const LmdbMeta latest = ChooseMeta(file);
  CheckVersion(file, latest);
  constexpr uint64_t kMetaPages = 2;
  const uint64_t pages = LmdbPagesOf(file, latest);
  if (pages < kMetaPages || pages - kMetaPages < latest.used_pages) {
    FailTruncatedLmdb(file, latest, latest.last_page + 1);
  }
  return latest;
}

uint64_t LmdbPagesOf(const DataFile& file, const LmdbMeta& meta) {
  return file.size() / meta.page_size;
}

void FailTruncatedLmdb(const DataFile& file, const LmdbMeta& meta, uint64_t pages) {
  FailTruncated(file, Concat("it has ", LmdbPagesOf(file, meta), " pages of ", meta.page_size,
                             " bytes, expected ", pages));
}

// The next transaction goes to the page that did not count.
void CheckStillLatest(const DataFile& file, const LmdbMeta& meta) {
  char bytes[sizeof(uint64_t)];
  file.Read((meta.transaction + 1) % 2 * meta.page_size + kTransactionAt, sizeof bytes, bytes);
  if (Load<uint64_t>(bytes) == meta.other_transaction) return;
  FailDatabase(file.title(), "read",
               "another process has changed it; do not change a database while it is in use");
}

}  // namespace crema
