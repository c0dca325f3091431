// The meta pages of an LMDB file: its first two pages, which are written in turn.
#pragma once

#include <cstddef>
#include <cstdint>

#include "data/data_file.h"

namespace crema {

// What is needed of a meta page, as LMDB 0.9 lays it out on 64-bit machines.
struct LmdbMeta {
  uint16_t page_flags;
  uint32_t magic, version;
  uint32_t page_size;
  uint16_t flags, depth;  // of the tree with the records
  uint64_t entries;
  uint64_t root;  // a page number
  uint64_t last_page;
  uint64_t used_pages;         // of both trees, the other being that of free pages
  uint64_t transaction;        // the meta page with the higher number counts
  uint64_t other_transaction;  // what the other page had at its place when this one was chosen

  static constexpr size_t kBytes = 152;
  static constexpr uint32_t kMagic = 0xBEEFC0DE, kVersion = 1;
  // `bytes` are the first kBytes of the page.
  static LmdbMeta Parse(const char* bytes);
};

// The meta page that counts now. If one of the two is damaged it is the other, with a warning,
// since the last transaction may be missing; no page of the one before has been written over.
// Throws Error if the file is not an LMDB, or holds fewer pages than its trees have. It may hold
// fewer than `last_page` says: LMDB does not write pages that a transaction took and gave up again.
LmdbMeta LatestLmdbMeta(const DataFile& file);

// How many pages the file really has.
uint64_t LmdbPagesOf(const DataFile& file, const LmdbMeta& meta);

// Throws Error: the file is truncated, since it should have `pages` pages.
[[noreturn]] void FailTruncatedLmdb(const DataFile& file, const LmdbMeta& meta, uint64_t pages);

// Throws Error where another process has finished a transaction since `meta` was read. As long as
// it has not, no page of that meta page's tree has been written over: LMDB uses pages again only
// when the transaction that gave them up is over.
void CheckStillLatest(const DataFile& file, const LmdbMeta& meta);

}  // namespace crema
