// From the losses of single positions to the number that a loss layer gives.
#pragma once

#include <limits>
#include <string>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/layer.h"
#include "crema/dev/reduce.h"

namespace crema {
inline namespace CREMA_TARGET {

using LossNormalization = proto::LossParameter::NormalizationMode;

// As loss_param says; `normalize`, its old form, counts if `normalization` is not given.
inline LossNormalization NormalizationOf(const proto::LossParameter& loss,
                                         LossNormalization otherwise) {
  if (loss.has_normalization()) return loss.normalization();
  if (!loss.has_normalize()) return otherwise;
  return loss.normalize() ? proto::LossParameter::VALID : proto::LossParameter::BATCH_SIZE;
}

// What to divide by, for `items` of `positions` each; 0: by the number of labels that count.
inline double FixedNormalizer(LossNormalization normalization, int64_t items, int64_t positions) {
  switch (normalization) {
    case proto::LossParameter::VALID: return 0;
    case proto::LossParameter::FULL: return static_cast<double>(items * positions);
    case proto::LossParameter::BATCH_SIZE: return static_cast<double>(items);
    case proto::LossParameter::NONE: return 1;
  }
  return 1;
}

// Losses or counts that lie in memory.
template <class T>
struct Element {
  const T* at;
  HD T operator()(int i) const { return at[i]; }
};

// loss = sum of losses(i) / normalizer, for i < n. The normalizer, which is written too, is
// `fixed`, or, if that is 0, the sum of counts(i); as in Caffe never less than 1.
template <class T, class Losses, class Counts>
void SumLosses(const Context& ctx, int n, double fixed, Losses losses, Counts counts, T* normalizer,
               T* loss) {
  ReduceRows<SumOp, double>(
      ctx, 1, n, [=] HD(int64_t, int i) { return static_cast<double>(counts(i)); },
      [=] HD(int64_t, double total) {
        const double divisor = fixed > 0 ? fixed : total;
        normalizer[0] = static_cast<T>(divisor > 1 ? divisor : 1);
      });
  ReduceRows<SumOp, double>(
      ctx, 1, n, [=] HD(int64_t, int i) { return static_cast<double>(losses(i)); },
      [=] HD(int64_t, double total) { loss[0] = static_cast<T>(total / normalizer[0]); });
}

// loss = factor * sum of losses(i) for i < n.
template <class T, class Losses>
void SumLosses(const Context& ctx, int n, double factor, Losses losses, T* loss) {
  ReduceRows<SumOp, double>(
      ctx, 1, n, [=] HD(int64_t, int i) { return static_cast<double>(losses(i)); },
      [=] HD(int64_t, double total) { loss[0] = static_cast<T>(factor * total); });
}

// Throws Error, with the layer's title, if n is too many for the sums above.
inline void CheckLossCount(const std::string& title, int64_t n) {
  CheckRange(title + ": the number of values for one loss", n, 0, std::numeric_limits<int>::max());
}

}  // namespace CREMA_TARGET
}  // namespace crema
