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
// number of scores that they are compared with. In a net whose phase has no such layer, the images
// that an Input or DummyData layer makes get this shape (a 0: their own), and what such layers make
// for each image the same batch size; throws Error if the net has inputs of several such shapes, or
// images with another number of channels. Returns a sentence for each layer of the net's phase:
// what is used; none if the net has no images.
std::vector<std::string> ReplaceDataLayers(const std::vector<int64_t>& shape,
                                           proto::NetParameter* net);

}  // namespace crema
