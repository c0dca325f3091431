// Random data in the place of data sets: what --dummy-data does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crema {

namespace proto {
class NetParameter;
}

// Reads "4x3x224x224". Throws Error if the text is not four numbers, none of them negative.
std::vector<int64_t> ParseDummyShape(const std::string& text);

// Turns each layer that reads a data set into one that makes random images of `shape` (N, C, H, W)
// and labels. A 0 in the shape stands for the layer's own batch size, channels or crop; throws
// Error if it states none. Labels are whole classes, and a fraction that is cut off, below the
// number of scores that they are compared with. Returns a sentence for each layer of the net's
// phase: what is used.
std::vector<std::string> ReplaceDataLayers(const std::vector<int64_t>& shape,
                                           proto::NetParameter* net);

}  // namespace crema
