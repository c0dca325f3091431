// What happened to the weights of a file.
#pragma once

#include <string>
#include <vector>

namespace crema {

// Of Net::LoadWeights.
struct WeightsReport {
  std::vector<std::string> copied;   // "conv1 (20x1x5x5, 20)": the layer and its parameters' shapes
  std::vector<std::string> skipped;  // in the file, but the net has no such layer
  std::vector<std::string> left_out;  // learned layers of the net that the file does not have
  // The three lists as a table of several lines.
  std::string ToString() const;
};

}  // namespace crema
