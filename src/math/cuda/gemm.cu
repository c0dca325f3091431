// Gemm through cuBLAS, which is column-major: a row-major C is its C^T = op(B)^T * op(A)^T. TF32
// stays off, so that float means float.
#include <cublas_v2.h>

#include "base/checked.h"
#include "crema/dev/for_each.h"
#include "crema/dev/gemm.h"
#include "crema/error.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

cublasStatus_t CallBlas(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m,
                        int n, int k, const float* alpha, const float* a, int lda, const float* b,
                        int ldb, const float* beta, float* c, int ldc) {
  return cublasSgemm(handle, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
cublasStatus_t CallBlas(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m,
                        int n, int k, const double* alpha, const double* a, int lda,
                        const double* b, int ldb, const double* beta, double* c, int ldc) {
  return cublasDgemm(handle, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

int ToBlasInt(int64_t size) { return CheckedInt(size, "an axis of a matrix"); }

cublasOperation_t ToBlas(Transpose op) { return op == Transpose::kYes ? CUBLAS_OP_T : CUBLAS_OP_N; }

// C = beta * C, where k is 0.
template <class T>
void ScaleOnly(const Context& ctx, int64_t count, T beta, T* c) {
  ForEach(ctx, count, [=] HD(int64_t i) { c[i] = beta == 0 ? T(0) : beta * c[i]; });
}

}  // namespace

template <class T>
void Gemm(const Context& ctx, Transpose a_op, Transpose b_op, int64_t m64, int64_t n64, int64_t k64,
          T alpha, const T* a, const T* b, T beta, T* c) {
  const int m = ToBlasInt(m64), n = ToBlasInt(n64), k = ToBlasInt(k64);
  if (m == 0 || n == 0) return;
  if (k == 0) return ScaleOnly(ctx, m64 * n64, beta, c);
  const int lda = a_op == Transpose::kYes ? m : k;
  const int ldb = b_op == Transpose::kYes ? k : n;
  CudaDevice& device = CudaOf(ctx);
  device.stream();  // selects the device
  const cublasStatus_t status = CallBlas(device.cublas(), ToBlas(b_op), ToBlas(a_op), n, m, k,
                                         &alpha, b, ldb, a, lda, &beta, c, n);
  if (status != CUBLAS_STATUS_SUCCESS) {
    Fail(device.name(), ": a product of ", m, " x ", k, " and ", k, " x ", n,
         " failed in cuBLAS: ", cublasGetStatusString(status));
  }
}

template void Gemm<float>(const Context&, Transpose, Transpose, int64_t, int64_t, int64_t, float,
                          const float*, const float*, float, float*);
template void Gemm<double>(const Context&, Transpose, Transpose, int64_t, int64_t, int64_t, double,
                           const double*, const double*, double, double*);

}  // namespace CREMA_TARGET
}  // namespace crema
