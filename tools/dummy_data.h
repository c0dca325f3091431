// Random data in the place of data sets: what --dummy-data does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crema {

namespace proto {
class NetParameter;
}

// Reads "4x3x224x224". Throws Error where the text is not four numbers above 0.
std::vector<int64_t> ParseDummyShape(const std::string& text);

// Turns each layer that reads a data set into one that makes random images and labels. Batch size,
// crop and channels are those that the layer states, otherwise those of `shape` (N, C, H, W).
// Labels are whole classes, and a fraction that is cut off, below the number of scores that they
// are compared with.
void ReplaceDataLayers(const std::vector<int64_t>& shape, proto::NetParameter* net);

}  // namespace crema
