// Weights (.caffemodel) and mean files (.binaryproto), of Caffe and its forks.
#include "fuzz/fuzz.h"
#include "schema/weights_io.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  crema::ExpectResultOrError([](const std::string& path) { crema::ReadWeightsFile(path); }, bytes,
                             size);
  crema::ExpectResultOrError([](const std::string& path) { crema::ReadMeanFile(path); }, bytes,
                             size);
  return 0;
}
