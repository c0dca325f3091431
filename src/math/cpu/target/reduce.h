// Reductions on the CPU. Every result is made by one thread from chunks whose limits depend on
// the sizes alone.
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "crema/dev/pair.h"
#include "crema/dev/reduce_ops.h"
#include "crema/layout.h"
#include "target/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {

template <class T>
constexpr bool kIsPair = false;
template <class U>
constexpr bool kIsPair<Pair<U>> = true;

// The reduction of get(first) .. get(last - 1), vectorised.
template <class Op, class T, class Get>
T ReduceChunk(int first, int last, const Get& get) {
  T total = Op::template Identity<T>();
  if constexpr (kIsPair<T>) {
    auto a = total.first, b = total.second;
#pragma omp simd reduction(+ : a, b)
    for (int i = first; i < last; ++i) {
      const T value = get(i);
      a += value.first;
      b += value.second;
    }
    total = {a, b};
  } else if constexpr (std::is_same_v<Op, SumOp>) {
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
  const int64_t chunk = std::max<int64_t>(4096, cols / kMaxChunks + 1);
  const int chunks = rows < 8 ? std::max(1, static_cast<int>((cols + chunk - 1) / chunk)) : 1;
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
        const auto first = static_cast<int>(p * chunk);
        const auto last = static_cast<int>(std::min<int64_t>(cols, (p + 1) * chunk));
        partial[p] = ReduceChunk<Op, T>(first, last, [&](int c) { return kernel(r, c); });
      }
    }
    T total = Op::template Identity<T>();
    for (int p = 0; p < chunks; ++p) total = Op::Combine(total, partial[p]);
    store(r, total);
  }
}

// The totals of all channels over some rows of a channels-last array, which are read in order.
template <class T>
struct ChannelTotals {
  static constexpr int kNumbers = 1;
  using Number = T;

  template <class Op, class F>
  static void Add(const F& kernel, int64_t row, int channels, Number* totals) {
#pragma omp simd
    for (int c = 0; c < channels; ++c) totals[c] = Op::Combine(totals[c], T(kernel(row, c, 0)));
  }
  static T Get(const Number* totals, int, int c) { return totals[c]; }
};

// All the first numbers, then all the second ones.
template <class U>
struct ChannelTotals<Pair<U>> {
  static constexpr int kNumbers = 2;
  using Number = U;

  template <class Op, class F>
  static void Add(const F& kernel, int64_t row, int channels, Number* totals) {
    Number* seconds = totals + channels;
#pragma omp simd
    for (int c = 0; c < channels; ++c) {
      const Pair<U> value = kernel(row, c, 0);
      totals[c] += value.first;
      seconds[c] += value.second;
    }
  }
  static Pair<U> Get(const Number* totals, int channels, int c) {
    return {totals[c], totals[channels + c]};
  }
};

// Memory that each thread keeps for the totals of chunks.
template <class Number>
Number* PartialTotals(int64_t count) {
  static thread_local std::vector<Number> totals;
  if (static_cast<int64_t>(totals.size()) < count) totals.resize(static_cast<size_t>(count));
  return totals.data();
}

// Channels-last, or no spatial axes: the rows are cut into chunks, whose totals are combined in
// their order.
template <class Op, class T, class F, class Store>
void ReduceLastAxis(int64_t rows, int channels, const F& f, const Store& store) {
  using Totals = ChannelTotals<T>;
  using Number = typename Totals::Number;
  constexpr int64_t kChunkElements = 32768;
  const int64_t most = std::min<int64_t>(kMaxChunks, rows * channels / kChunkElements);
  const int chunks = static_cast<int>(std::max<int64_t>(1, std::min(most, rows)));
  const int64_t size = int64_t{Totals::kNumbers} * channels;
  Number* const totals = PartialTotals<Number>(chunks * size);
#pragma omp parallel if (parallel : chunks > 1 && WorthThreads(rows * channels))
  {
    const F kernel = f;
#pragma omp for schedule(static)
    for (int p = 0; p < chunks; ++p) {
      Number* const mine = totals + p * size;
      std::fill(mine, mine + size, Op::template Identity<Number>());
      const int64_t last = rows * (p + 1) / chunks;
      for (int64_t row = rows * p / chunks; row < last; ++row) {
        Totals::template Add<Op>(kernel, row, channels, mine);
      }
    }
  }
  for (int c = 0; c < channels; ++c) {
    T total = Totals::Get(totals, channels, c);
    for (int p = 1; p < chunks; ++p) {
      total = Op::Combine(total, Totals::Get(totals + p * size, channels, c));
    }
    store(c, total);
  }
}

template <class Op, class T, class F, class Store>
void ReduceChannels(const Context&, const ChannelView& view, F f, Store store) {
  const int64_t elements = view.outer * view.channels * view.inner;
  if (view.inner == 1) {
    ReduceLastAxis<Op, T>(view.outer, view.channels, f, store);
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
