// The kernels of LARC and LARS; see local_rates.h.
#include <cmath>

#include "crema/dev/for_each.h"
#include "crema/dev/reduce.h"
#include "solvers/local_rates.h"

namespace crema {
namespace {

// total[0] = x[0] y[0] + x[1] y[1] + ...
template <class T>
void Dot(const Context& ctx, int64_t count, const T* x, const T* y, T* total) {
  ReduceRows<SumOp, T>(
      ctx, 1, static_cast<int>(count), [=] HD(int64_t, int c) { return x[c] * y[c]; },
      [=] HD(int64_t, T sum) { total[0] = sum; });
}

template <class T>
void Sums(const Context& ctx, const LocalRates::Work& work, const UpdateStep& step) {
  const auto params = static_cast<int64_t>(work.segments.size());
  T* sums = work.sums.mutable_data<T>();
  for (int64_t p = 0; p < params; ++p) {
    const ParamSegment& segment = work.segments[p];
    if (segment.lr_mult == 0) continue;
    const T* w = step.weights.data<T>() + segment.first;
    const T* g = step.gradients.data<T>() + segment.first;
    Dot<T>(ctx, segment.count, w, w, sums + p);
    Dot<T>(ctx, segment.count, g, g, sums + params + p);
    if (!work.turbo) continue;
    const T* h = step.history[0].data<T>() + segment.first;
    Dot<T>(ctx, segment.count, g, h, sums + 2 * params + p);
    Dot<T>(ctx, segment.count, h, h, sums + 3 * params + p);
  }
}

template <class T>
void Rates(const Context& ctx, const LocalRates::Work& work, const UpdateStep& step) {
  const auto params = static_cast<int64_t>(work.segments.size());
  const T* sums = work.sums.data<T>();
  const T* factor = step.gradient_factor.data<T>();
  T* correlations = work.correlations.mutable_data<T>();
  T* local = work.local.mutable_data<T>();
  const bool clip = work.clip, turbo = work.turbo;
  const T rate = static_cast<T>(step.rate);
  const T eta = static_cast<T>(work.lars ? work.eta : work.eta * (1 - step.momentum));
  const T decay = static_cast<T>(work.lars ? step.decay : 0);
  ForEach(ctx, params, [=] HD(int64_t p) {
    const T w = std::sqrt(sums[p]), g = std::sqrt(sums[params + p]) * factor[0];
    T r = w > 0 && g > 0 ? eta * w / (g + decay * w) : T(1);
    if (turbo) {
      const T h = std::sqrt(sums[3 * params + p]);
      const T cosine = g > 0 && h > 0 ? sums[2 * params + p] * factor[0] / (g * h) : T(0);
      correlations[p] = T(0.95) * correlations[p] + T(0.05) * cosine;
      r -= T(0.9) * correlations[p];
    }
    local[p] = clip ? (r < rate ? r : rate) : rate * r;
  });
}

template <class T>
void ComputeLocalRates(const Context& ctx, const LocalRates::Work& work, const UpdateStep& step) {
  Sums<T>(ctx, work, step);
  Rates<T>(ctx, work, step);
  const T* local = work.local.data<T>();
  const int32_t* param_of = work.param_of_block.data<int32_t>();
  T* rates = work.rates.mutable_data<T>();
  ForEach(ctx, work.rates.count(),
          [=] HD(int64_t b) { rates[b] = param_of[b] < 0 ? T(0) : local[param_of[b]]; });
}

void Dispatch(const Context& ctx, const LocalRates::Work& work, const UpdateStep& step) {
  CREMA_FLOAT_DISPATCH(step.weights.dtype(), T, ComputeLocalRates<T>(ctx, work, step));
}

const LocalRateRegistration registration_of_local_rates(CREMA_TARGET_DEVICE, Dispatch);

}  // namespace
}  // namespace crema
