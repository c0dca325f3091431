// Records of databases: raw values, and compressed images.
#include "crema/error.h"
#include "data/datum.h"
#include "fuzz/fuzz.h"

namespace {

// Reads every value, so that a size that is not that of the memory is seen.
void Use(const crema::Image& image) {
  volatile double sum = 0;
  for (int64_t i = 0; i < image.size.count(); ++i) {
    sum = sum + (image.bytes != nullptr ? image.bytes[i] : image.floats[i]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  crema::Record record;
  record.value.assign(bytes, bytes + size);
  for (const auto color : {crema::ColorMode::kAsStored, crema::ColorMode::kColor}) {
    crema::DatumDecoder decoder(color, "LMDB 'fuzz'");
    try {
      Use(decoder.Decode(record));
    } catch (const crema::Error&) {
    }
  }
  return 0;
}
