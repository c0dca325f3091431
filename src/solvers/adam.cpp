// Adam (Kingma and Ba: "Adam: a method for stochastic optimization", 2015), with beta1 = momentum
// and beta2 = momentum2: m and v are the running means of g and g^2,
// w = w - rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + delta), t from 1.
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void AdamUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step, AdamCorrection(step));
  T* m = step.history[0].mutable_data<T>();
  T* v = step.history[1].mutable_data<T>();
  const T delta = static_cast<T>(step.delta);
  const T beta1 = static_cast<T>(step.momentum), beta2 = static_cast<T>(step.momentum2);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    const T g = span.Gradient(b, i, w);
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    span.weight[i] = w - span.Rate(b) * (m[i] / (std::sqrt(v[i]) + delta));
  });
}

CREMA_REGISTER_UPDATE_RULE("Adam", 2, 1, AdamUpdate);

}  // namespace
}  // namespace crema
