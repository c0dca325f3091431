// Write or add: where a backward pass puts the gradient of a parameter.
#pragma once

namespace crema {

struct GradientTarget {
  float* sum = nullptr;     // null: it is not wanted
  bool overwrites = false;  // what is there is no sum, see Layer::SetOverwriteGradient

  // What the sum so far counts: beta in the words of BLAS and cuDNN.
  float KeptShare() const { return overwrites ? 0.0f : 1.0f; }
};

}  // namespace crema
