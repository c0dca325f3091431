// The mean image of a database.
#pragma once

#include <cstdint>
#include <functional>
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
// Logs its progress, and tells `progress` after each record how many are done, and how many there
// are (0: unknown).
MeanImage ComputeMean(Backend backend, const std::string& database,
                      const std::function<void(uint64_t done, uint64_t all)>& progress = nullptr);

// Writes a `.binaryproto`, which Caffe reads too.
void WriteMeanFile(const MeanImage& mean, const std::string& path);

}  // namespace crema
