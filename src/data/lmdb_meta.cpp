#include "data/lmdb_meta.h"

#include <cstring>

#include "crema/base/error.h"
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

void CheckVersion(const DataFile& file, const LmdbMeta& meta) {
  if (meta.version == LmdbMeta::kVersion) return;
  FailDatabase(file.title(), "opened",
               Concat(file.name(), " has version ", meta.version, " of LMDB's format, expected ",
                      LmdbMeta::kVersion, "; recreate it with LMDB 0.9"));
}

}  // namespace

LmdbMeta LmdbMeta::Parse(const char* bytes) {
  LmdbMeta meta;
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
  return meta;
}

LmdbMeta LatestLmdbMeta(const DataFile& file) {
  const LmdbMeta first = ReadMeta(file, 0);
  if (first.magic != LmdbMeta::kMagic || !IsPageSize(first.page_size)) {
    FailDatabase(
        file.title(), "opened",
        file.name() + " is not an LMDB file from a 64-bit machine; copy it again or recreate it");
  }
  CheckVersion(file, first);
  const LmdbMeta second = ReadMeta(file, first.page_size);
  if (second.magic != LmdbMeta::kMagic || second.page_size != first.page_size) {
    FailDatabase(
        file.title(), "opened",
        file.name() + " is damaged: its second page is invalid; copy it again or recreate it");
  }
  CheckVersion(file, second);
  const LmdbMeta& latest = second.transaction > first.transaction ? second : first;
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

// Transaction n writes the page n modulo 2, so the next one goes to the page that did not count.
void CheckStillLatest(const DataFile& file, const LmdbMeta& meta) {
  char bytes[sizeof(uint64_t)];
  file.Read((meta.transaction + 1) % 2 * meta.page_size + kTransactionAt, sizeof bytes, bytes);
  if (Load<uint64_t>(bytes) <= meta.transaction) return;
  FailDatabase(file.title(), "read",
               "another process has changed it; do not change a database while it is in use");
}

}  // namespace crema
