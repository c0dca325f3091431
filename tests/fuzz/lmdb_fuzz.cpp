// The pages of an LMDB file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "crema/error.h"
#include "data/lmdb_tree.h"
#include "fuzz/fuzz.h"

namespace {

constexpr size_t kPage = 4096, kTransactionAt = 144;

void ReadAll(const crema::LmdbTree& tree) {
  crema::LmdbTreeCursor cursor(&tree), other(&tree);
  volatile size_t sum = 0;
  std::string value;
  for (bool more = cursor.First(); more; more = cursor.Next()) {
    for (const char c : cursor.key()) sum = sum + static_cast<unsigned char>(c);
    for (const char c : cursor.value()) sum = sum + static_cast<unsigned char>(c);
    other.ReadAt(cursor.place(), &value);
    if (value != cursor.value()) std::abort();
  }
  if (cursor.Find("00000001")) sum = sum + cursor.value().size();
}

}  // namespace

// The first page is a meta page; what its size and last page say must fit in the file, as
// src/data/lmdb_meta.cpp checks before there is a tree.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2 * kPage) return 0;
  const int number = memfd_create("lmdb", MFD_CLOEXEC);
  if (number < 0 || write(number, bytes, size) != static_cast<ssize_t>(size)) std::abort();
  const crema::DataFile file(number, "data.mdb", "LMDB 'fuzz'");
  crema::LmdbTree tree{&file, crema::LmdbMeta::Parse(reinterpret_cast<const char*>(bytes))};
  tree.meta.page_size = kPage;
  tree.meta.last_page = size / kPage - 1;
  const size_t other = (tree.meta.transaction + 1) % 2 * kPage + kTransactionAt;
  std::memcpy(&tree.meta.other_transaction, bytes + other, sizeof(uint64_t));
  try {
    ReadAll(tree);
  } catch (const crema::Error&) {
  }
  return 0;
}
