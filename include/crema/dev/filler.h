// First values of learned parameters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crema/shape.h"

namespace crema {

namespace proto {
class FillerParameter;
}

// The options of one filler, as in proto FillerParameter. Each type uses those that name it.
struct FillerSpec {
  // Which of the two fans the variance is divided by.
  enum class Norm { kFanIn, kFanOut, kAverage };
  std::string type = "constant";
  float value = 0;          // constant
  float min = 0, max = 1;   // uniform
  float mean = 0, std = 1;  // gaussian
  int sparse = -1;          // gaussian: this many non-zero inputs per output on average; -1: all
  Norm variance_norm = Norm::kFanIn;  // xavier, msra
};

// The filler that a net's text asks for. Throws Error naming `owner` where the type is unknown or
// an option does not fit it.
FillerSpec ToFillerSpec(const proto::FillerParameter& parameter, const std::string& owner);

// The values of a parameter of `shape` in memory order. They depend on (seed, key, shape, spec)
// alone: the same on every device and for any number of threads. fan_in is count / shape[0],
// fan_out is count / shape[1]. xavier: Glorot and Bengio 2010, msra: He et al. 2015.
// Throws Error naming `owner` where the shape does not fit the filler (bilinear needs 4-D, square
// kernels).
std::vector<float> Fill(const FillerSpec& spec, const Shape& shape, uint64_t seed, uint64_t key,
                        const std::string& owner);

}  // namespace crema
