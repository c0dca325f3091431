// Products with few rows on the CPU: those of an InnerProduct layer with a small batch.
#pragma once

#include <cstdint>

#include "crema/context.h"
#include "crema/dev/gemm.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// Computes Gemm's product where it is one of the three below and a kernel here is faster than BLAS;
// otherwise does nothing and returns false. W, the large matrix, is n x k:
//   y (m x n) = x W^T,   dx (m x k) = dy W,   dW (n x k) = dy^T x,   with m of at most 16,
// or added to what is there. With few rows they are bound by the memory's speed, and BLAS copies W
// before it works on it; here W is read (and dW written) once, in order. Sums do not depend on the
// number of threads.
bool TryFewRows(const Context& ctx, Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k,
                float alpha, const float* a, const float* b, float beta, float* c);

// BLAS is as good as the rest in double precision, which only tests use.
inline bool TryFewRows(const Context&, Transpose, Transpose, int64_t, int64_t, int64_t, double,
                       const double*, const double*, double, double*) {
  return false;
}

}  // namespace CREMA_TARGET
}  // namespace crema
