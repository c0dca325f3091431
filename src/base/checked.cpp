#include "base/checked.h"

#include <limits>

#include "crema/error.h"

namespace crema {

int64_t CheckedProduct(int64_t a, int64_t b, const std::string& what) {
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  Fail(what, " is too large: ", a, " x ", b, " does not fit in 63 bits; use smaller sizes");
}

int64_t CheckedSum(int64_t a, int64_t b, const std::string& what) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  Fail(what, " is too large: ", a, " + ", b, " does not fit in 63 bits; use smaller sizes");
}

int CheckedInt(int64_t value, const std::string& what) {
  constexpr int kMost = std::numeric_limits<int>::max();
  if (value >= std::numeric_limits<int>::min() && value <= kMost) return static_cast<int>(value);
  Fail(what, " is ", value, ", but must be at most ", kMost, "; use smaller sizes");
}

}  // namespace crema
