// Layers that take their data from the program.
#pragma once

#include <vector>

namespace crema {

// MemoryData is one. From a net:
//   auto* source = dynamic_cast<MemorySource*>(net.FindLayer("data"));
class MemorySource {
 public:
  virtual ~MemorySource() = default;  // the layer is deleted as a Layer

  // Items of channels x height x width numbers, as the net is to see them (nothing is subtracted,
  // scaled or cropped), and a label for each. How many is a multiple of the batch size; they are
  // copied, and given out from the first to the last, again and again. If training is resumed, the
  // first data go on from the item at which the snapshot was taken. Throws Error if the numbers do
  // not fit. To be called from the thread that runs the net.
  virtual void SetData(std::vector<float> values, std::vector<float> labels) = 0;
};

}  // namespace crema
