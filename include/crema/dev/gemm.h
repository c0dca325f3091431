// General matrix product.
#pragma once

#include "crema/context.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// Whether a matrix is multiplied as it lies in memory, or its transpose.
enum class Transpose { kNo, kYes };

// C = alpha * op(A) * op(B) + beta * C, all row-major and dense: op(A) is m x k, op(B) k x n,
// C m x n. Sizes may be 0. With beta 0, C need not hold numbers before. Defined for float and
// double. The result does not depend on the number of threads.
template <class T>
void Gemm(const Context& ctx, Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k,
          T alpha, const T* a, const T* b, T beta, T* c);

}  // namespace CREMA_TARGET
}  // namespace crema
