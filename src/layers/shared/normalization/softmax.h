// The parts of a softmax that layers share. Scores are seen as outer x channels x inner; a position
// is a pair (outer, inner), numbered outer * inner-extent + inner.
#pragma once

#include <cmath>

#include "crema/dev/for_each.h"
#include "crema/dev/reduce.h"
#include "crema/layout.h"

namespace crema {
inline namespace CREMA_TARGET {

// Calls f(int64_t index, int64_t position, int channel) for every score, index counting in memory
// order. The rules for f are those of ForEach.
template <class F>
void ForEachScore(const Context& ctx, const ChannelView& view, F f) {
  const int channels = view.channels;
  const int inner = view.inner;
  if (inner == 1) {
    ForEach(ctx, view.outer, channels, [=] HD(int64_t r, int c) { f(r * channels + c, r, c); });
  } else {
    ForEach(ctx, view.outer * channels, inner, [=] HD(int64_t r, int c) {
      f(r * inner + c, r / channels * inner + c, static_cast<int>(r % channels));
    });
  }
}

// out[position] = the reduction by Op over the channels of get(int64_t index, int64_t position).
template <class Op, class T, class F>
void ReduceScores(const Context& ctx, const ChannelView& view, F get, T* out) {
  const int channels = view.channels;
  const int inner = view.inner;
  if (inner == 1) {
    ReduceRows<Op, T>(
        ctx, view.outer, channels, [=] HD(int64_t r, int c) { return get(r * channels + c, r); },
        [=] HD(int64_t r, T total) { out[r] = total; });
    return;
  }
  ForEach(ctx, view.outer, inner, [=] HD(int64_t r, int c) {
    const int64_t position = r * inner + c;
    T total = Op::template Identity<T>();
    for (int k = 0; k < channels; ++k) {
      total = Op::Combine(total, T(get((r * channels + k) * inner + c, position)));
    }
    out[position] = total;
  });
}

// max = the largest score of each position.
template <class T>
void ScoreMaxima(const Context& ctx, const ChannelView& view, const T* x, T* max) {
  ReduceScores<MaxOp, T>(
      ctx, view, [=] HD(int64_t i, int64_t) { return x[i]; }, max);
}

// What a softmax is made of again from the scores, one number a position.
template <class T>
struct SoftmaxSums {
  T* max;  // the largest score
  T* sum;  // of exp(score - max)
};

template <class T>
void MaximaAndSums(const Context& ctx, const ChannelView& view, const T* x,
                   const SoftmaxSums<T>& sums) {
  const T* max = sums.max;
  ScoreMaxima(ctx, view, x, sums.max);
  ReduceScores<SumOp, T>(
      ctx, view, [=] HD(int64_t i, int64_t position) { return std::exp(x[i] - max[position]); },
      sums.sum);
}

template <class T>
void Probabilities(const Context& ctx, const ChannelView& view, const T* x,
                   const SoftmaxSums<T>& sums, T* probability) {
  ForEachScore(ctx, view, [=] HD(int64_t i, int64_t position, int) {
    probability[i] = std::exp(x[i] - sums.max[position]) / sums.sum[position];
  });
}

}  // namespace CREMA_TARGET
}  // namespace crema
