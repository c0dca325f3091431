// What lies below the checksums of a LevelDB: blocks, packed or not.
#include <sys/mman.h>

#include <cstdlib>
#include <string_view>

#include "crema/error.h"
#include "data/leveldb_block.h"
#include "data/snappy.h"
#include "fuzz/fuzz.h"

namespace {

void ReadBlock(const crema::DataFile& file, std::string_view block) {
  crema::LevelDbBlockCursor cursor;
  cursor.Start(&file, block);
  volatile size_t sum = 0;
  const auto touch = [&] {
    for (const char c : cursor.key().user) sum = sum + static_cast<unsigned char>(c);
    for (const char c : cursor.value()) sum = sum + static_cast<unsigned char>(c);
  };
  for (bool more = cursor.First(); more; more = cursor.Next()) touch();
  if (cursor.Seek({"00000001", 1})) touch();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const int number = memfd_create("leveldb", MFD_CLOEXEC);
  if (number < 0) std::abort();
  const crema::DataFile file(number, "000005.ldb", "LevelDB 'fuzz'");
  const std::string_view whole(reinterpret_cast<const char*>(bytes), size);
  crema::ScratchBytes buffer;
  std::string_view unpacked;
  if (crema::Unsnap(whole, &buffer, &unpacked)) {
    try {
      ReadBlock(file, unpacked);
    } catch (const crema::Error&) {
    }
  }
  try {
    ReadBlock(file, whole);
  } catch (const crema::Error&) {
  }
  return 0;
}
