// AdamW (Loshchilov and Hutter: "Decoupled weight decay regularization", 2019): Adam on the plain
// gradient, and apart from it w = w - rate * decay * w; with L1 w = w - rate * decay * sign(w).
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void AdamWUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step);
  T* m = step.history[0].mutable_data<T>();
  T* v = step.history[1].mutable_data<T>();
  const T correction = static_cast<T>(AdamCorrection(step)), delta = static_cast<T>(step.delta);
  const T beta1 = static_cast<T>(step.momentum), beta2 = static_cast<T>(step.momentum2);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    const T g = span.Plain(i);
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    const T adam = correction * (m[i] / (std::sqrt(v[i]) + delta));
    span.weight[i] = w - span.Rate(b) * (adam + span.Decay(b, w));
  });
}

CREMA_REGISTER_UPDATE_RULE("AdamW", 2, 1, AdamWUpdate);

}  // namespace
}  // namespace crema
