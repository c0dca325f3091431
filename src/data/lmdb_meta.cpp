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
  const uint64_t pages = file.size() / first.page_size;
  if (pages <= latest.last_page) {
    FailTruncated(file, Concat("it has ", pages, " pages of ", first.page_size, " bytes, expected ",
                               latest.last_page + 1));
  }
  return latest;
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
