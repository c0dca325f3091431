// For layers that begin a batch with what the one before has left.
#pragma once

#include <vector>

#include "crema/tensor/tensor.h"

namespace crema {

// A second base of such a layer, so that the state can be saved and restored.
class CarriesState {
 public:
  virtual ~CarriesState() = default;
  // What is carried: views of the layer's memory, there after Bind. Of a floating-point type.
  virtual std::vector<Tensor> carried() const = 0;
};

}  // namespace crema
