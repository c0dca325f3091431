// Reductions on the CPU. Every result is made by one thread from chunks whose limits depend on
// the sizes alone.
#pragma once

#include <limits>
#include <type_traits>

#include "crema/tensor/layout.h"
#include "target/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {

struct SumOp {
  template <class T>
  static constexpr T Identity() {
    return T(0);
  }
  template <class T>
  static T Combine(T a, T b) {
    return a + b;
  }
};

struct MaxOp {
  template <class T>
  static constexpr T Identity() {
    return std::numeric_limits<T>::lowest();
  }
  template <class T>
  static T Combine(T a, T b) {
    return a > b ? a : b;
  }
};

// The reduction of get(first) .. get(last - 1), vectorised.
template <class Op, class T, class Get>
T ReduceChunk(int first, int last, const Get& get) {
  T total = Op::template Identity<T>();
  if constexpr (std::is_same_v<Op, SumOp>) {
#pragma omp simd reduction(+ : total)
    for (int i = first; i < last; ++i) total += get(i);
  } else {
#pragma omp simd reduction(max : total)
    for (int i = first; i < last; ++i) total = Op::Combine(total, T(get(i)));
  }
  return total;
}

constexpr int kMaxChunks = 64;

template <class Op, class T, class F, class Store>
void ReduceRows(const Context&, int64_t rows, int cols, F f, Store store) {
  // One long row is cut into chunks that threads share; partial results are combined in order.
  const int chunk = std::max<int>(4096, cols / kMaxChunks + 1);
  const int chunks = rows < 8 ? std::max(1, (cols + chunk - 1) / chunk) : 1;
  if (chunks == 1) {
#pragma omp parallel if (parallel : WorthThreads(rows * cols))
    {
      const F kernel = f;
#pragma omp for schedule(static)
      for (int64_t r = 0; r < rows; ++r) {
        store(r, ReduceChunk<Op, T>(0, cols, [&](int c) { return kernel(r, c); }));
      }
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    T partial[kMaxChunks];
#pragma omp parallel if (parallel : WorthThreads(cols))
    {
      const F kernel = f;
#pragma omp for schedule(static)
      for (int p = 0; p < chunks; ++p) {
        partial[p] = ReduceChunk<Op, T>(p * chunk, std::min(cols, (p + 1) * chunk),
                                        [&](int c) { return kernel(r, c); });
      }
    }
    T total = Op::template Identity<T>();
    for (int p = 0; p < chunks; ++p) total = Op::Combine(total, partial[p]);
    store(r, total);
  }
}

template <class Op, class T, class F, class Store>
void ReduceChannels(const Context&, const ChannelView& view, F f, Store store) {
  const int64_t elements = view.outer * view.channels * view.inner;
  if (view.inner == 1) {  // channels-last, or no spatial axes: walk memory in order
    constexpr int kBlock = 16;
    const int blocks = (view.channels + kBlock - 1) / kBlock;
#pragma omp parallel if (parallel : WorthThreads(elements))
    {
      const F kernel = f;
#pragma omp for schedule(static)
      for (int b = 0; b < blocks; ++b) {
        const int first = b * kBlock, n = std::min(kBlock, view.channels - first);
        T total[kBlock];
        for (int j = 0; j < n; ++j) total[j] = Op::template Identity<T>();
        for (int64_t o = 0; o < view.outer; ++o) {
#pragma omp simd
          for (int j = 0; j < n; ++j) total[j] = Op::Combine(total[j], T(kernel(o, first + j, 0)));
        }
        for (int j = 0; j < n; ++j) store(first + j, total[j]);
      }
    }
    return;
  }
#pragma omp parallel if (parallel : WorthThreads(elements))
  {
    const F kernel = f;
#pragma omp for schedule(static)
    for (int c = 0; c < view.channels; ++c) {
      T total = Op::template Identity<T>();
      for (int64_t o = 0; o < view.outer; ++o) {
        total = Op::Combine(
            total, ReduceChunk<Op, T>(0, view.inner, [&](int i) { return kernel(o, c, i); }));
      }
      store(c, total);
    }
  }
}

}  // namespace CREMA_TARGET
}  // namespace crema
