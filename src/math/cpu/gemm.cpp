// Gemm over any CBLAS. BLAS runs single-threaded, and we cut large products into tiles that
// depend on the sizes alone: the result is then the same for any number of threads, and BLAS's
// own threads never compete with ours.
#include "crema/dev/gemm.h"

#include <cblas.h>

#include "base/checked.h"
#include "blas_threads.h"
#include "crema/dev/for_each.h"
#include "few_rows.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

void CallBlas(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, float alpha,
              const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void CallBlas(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha,
              const double* a, int lda, const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

int ToBlasInt(int64_t size) { return CheckedInt(size, "an axis of a matrix"); }

// A tile is worth its own task from about this many multiply-adds on.
constexpr double kTileWork = 1 << 20;
constexpr int kMaxTiles = 16;
constexpr int kTileMultiple = 16;

int TileCount(int64_t m, int64_t n, int64_t k) {
  const double work = static_cast<double>(m) * n * k;
  const double by_size = static_cast<double>(std::max(m, n)) / (2 * kTileMultiple);
  return static_cast<int>(std::max(1.0, std::min({work / kTileWork, by_size, 1.0 * kMaxTiles})));
}

}  // namespace

template <class T>
void Gemm(const Context& ctx, Transpose a_op, Transpose b_op, int64_t m64, int64_t n64, int64_t k64,
          T alpha, const T* a, const T* b, T beta, T* c) {
  if (TryFewRows(ctx, a_op, b_op, m64, n64, k64, alpha, a, b, beta, c)) return;
  const SingleThreadedBlas single_threaded;
  const int m = ToBlasInt(m64), n = ToBlasInt(n64), k = ToBlasInt(k64);
  if (m == 0 || n == 0) return;
  const bool ta = a_op == Transpose::kYes, tb = b_op == Transpose::kYes;
  const int lda = std::max(1, ta ? m : k), ldb = std::max(1, tb ? k : n);
  const CBLAS_TRANSPOSE op_a = ta ? CblasTrans : CblasNoTrans;
  const CBLAS_TRANSPOSE op_b = tb ? CblasTrans : CblasNoTrans;
  const int tiles = TileCount(m, n, k);
  const bool split_rows = m >= n;
  const int size = split_rows ? m : n;
  const int tile = (size / tiles + kTileMultiple) / kTileMultiple * kTileMultiple;
  ParallelTasks(ctx, (size + tile - 1) / tile, [&](int task, int) {
    const OneThreadForOpenMpBlas one_thread;
    const int first = task * tile, count = std::min(tile, size - first);
    if (split_rows) {
      const T* a_tile = a + static_cast<int64_t>(first) * (ta ? 1 : lda);
      CallBlas(op_a, op_b, count, n, k, alpha, a_tile, lda, b, ldb, beta,
               c + static_cast<int64_t>(first) * n, n);
    } else {
      const T* b_tile = b + static_cast<int64_t>(first) * (tb ? ldb : 1);
      CallBlas(op_a, op_b, m, count, k, alpha, a, lda, b_tile, ldb, beta, c + first, n);
    }
  });
}

template void Gemm<float>(const Context&, Transpose, Transpose, int64_t, int64_t, int64_t, float,
                          const float*, const float*, float, float*);
template void Gemm<double>(const Context&, Transpose, Transpose, int64_t, int64_t, int64_t, double,
                           const double*, const double*, double, double*);

}  // namespace CREMA_TARGET
}  // namespace crema
