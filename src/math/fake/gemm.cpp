// Gemm on the fake GPU: the definition, in plain loops.
#include "crema/dev/gemm.h"

#include "device/fake.h"

namespace crema {
inline namespace CREMA_TARGET {

template <class T>
void Gemm(const Context& ctx, Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k,
          T alpha, const T* a, const T* b, T beta, T* c) {
  const bool ta = a_op == Transpose::kYes, tb = b_op == Transpose::kYes;
  const int64_t a_row = ta ? 1 : k, a_col = ta ? m : 1;
  const int64_t b_row = tb ? 1 : n, b_col = tb ? k : 1;
  LaunchOnFake(ctx.device(), [=] {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        T sum = 0;
        for (int64_t l = 0; l < k; ++l) sum += a[i * a_row + l * a_col] * b[l * b_row + j * b_col];
        T& out = c[i * n + j];
        out = beta == 0 ? alpha * sum : alpha * sum + beta * out;
      }
    }
  });
}

template void Gemm<float>(const Context&, Transpose, Transpose, int64_t, int64_t, int64_t, float,
                          const float*, const float*, float, float*);
template void Gemm<double>(const Context&, Transpose, Transpose, int64_t, int64_t, int64_t, double,
                           const double*, const double*, double, double*);

}  // namespace CREMA_TARGET
}  // namespace crema
