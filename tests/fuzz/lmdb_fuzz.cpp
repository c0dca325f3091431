// The pages of an LMDB file.
#include <cstring>
#include <vector>

#include "crema/base/error.h"
#include "data/lmdb_tree.h"
#include "fuzz/fuzz.h"

namespace {

constexpr size_t kPage = 4096;

void ReadAll(const crema::LmdbTree& tree) {
  crema::LmdbTreeCursor cursor(&tree);
  volatile size_t sum = 0;
  for (bool more = cursor.First(); more; more = cursor.Next()) {
    for (const char c : cursor.key()) sum = sum + static_cast<unsigned char>(c);
    for (const char c : cursor.value()) sum = sum + static_cast<unsigned char>(c);
  }
  if (cursor.Find("00000001")) sum = sum + cursor.value().size();
}

}  // namespace

// The first page is a meta page; what its size and last page say must fit in the file, as
// src/data/lmdb.cpp checks before it makes a tree.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < kPage) return 0;
  std::vector<char> memory(size);
  std::memcpy(memory.data(), bytes, size);
  crema::LmdbTree tree{memory.data(), crema::LmdbMeta::Parse(memory.data()), "LMDB 'fuzz'"};
  tree.meta.page_size = kPage;
  tree.meta.last_page = size / kPage - 1;
  try {
    ReadAll(tree);
  } catch (const crema::Error&) {
  }
  return 0;
}
