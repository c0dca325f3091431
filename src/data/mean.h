// The mean image of a database.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/datum.h"

namespace crema {

struct MeanImage {
  uint64_t records = 0;
  ImageSize size;
  std::vector<float> values;
  std::vector<float> channels;  // the mean of each channel
};

// Compressed images are decoded as they are stored. Throws Error where records differ in size.
// Logs its progress.
MeanImage ComputeMean(Backend backend, const std::string& database);

// Writes a `.binaryproto`, which Caffe reads too.
void WriteMeanFile(const MeanImage& mean, const std::string& path);

}  // namespace crema
