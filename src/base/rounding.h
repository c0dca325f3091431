// Decisions that turn a float into an integer, made alike on every processor.
//
// Compilers fuse a product and a sum into one operation, which rounds once instead of twice, where
// the processor has it (x86-64-v3 and ARM, but not plain x86-64). The last bit of the sum differs
// then; where a decision hangs on it, so does the decision. A product that is to be added to
// something before it is rounded to an integer must go through RoundedProduct.
#pragma once

#include <cmath>

namespace crema {

// a * b rounded to a float, which nothing that follows can be fused with.
inline float RoundedProduct(float a, float b) {
  volatile float product = a * b;  // rounded here, whatever the compiler is told
  return product;
}

// The same for doubles.
inline double RoundedProduct(double a, double b) {
  volatile double product = a * b;
  return product;
}

// Halves go away from zero. What is beyond 2^29 becomes that, so that sums of two fit; a NaN, too.
inline int RoundToInt(float value) {
  constexpr float kMost = 1 << 29;
  return static_cast<int>(std::round(std::fmax(-kMost, std::fmin(kMost, value))));
}

}  // namespace crema
