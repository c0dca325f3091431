// What a reduction does with its elements. See reduce.h.
#pragma once

#include <limits>

namespace crema {

// Each has Identity<T>(), the result of an empty range, and Combine(a, b), which is associative but
// for rounding. They are constexpr so that kernels may call them, too.
struct SumOp {
  template <class T>
  static constexpr T Identity() {
    return T{};
  }
  template <class T>
  static constexpr T Combine(T a, T b) {
    return a + b;
  }
};

// The largest element; what NaNs among them lead to depends on the order.
struct MaxOp {
  template <class T>
  static constexpr T Identity() {
    return std::numeric_limits<T>::lowest();
  }
  template <class T>
  static constexpr T Combine(T a, T b) {
    return a > b ? a : b;
  }
};

}  // namespace crema
