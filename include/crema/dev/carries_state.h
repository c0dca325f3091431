// For layers that begin a batch with what the one before has left.
#pragma once

#include <vector>

#include "crema/tensor.h"

namespace crema {

// A second base of such a layer, so that the state can be saved and restored.
class CarriesState {
 public:
  virtual ~CarriesState() = default;  // the layer is deleted as a Layer
  // What is carried: views of the layer's states, valid from Bind to the next one. Of a
  // floating-point type. Whoever writes them does so between two passes.
  virtual std::vector<Tensor> carried() const = 0;
};

}  // namespace crema
