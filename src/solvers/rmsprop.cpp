// RMSProp (Tieleman and Hinton: lecture 6.5 of "Neural networks for machine learning", 2012):
// h = rms_decay * h + (1 - rms_decay) g^2; w = w - rate * g / (sqrt(h) + delta).
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void RmsPropUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step);
  T* h = step.history[0].mutable_data<T>();
  const T delta = static_cast<T>(step.delta);
  const T keep = static_cast<T>(step.rms_decay), take = static_cast<T>(1 - step.rms_decay);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    const T g = span.Gradient(b, i, w);
    h[i] = keep * h[i] + take * g * g;
    span.weight[i] = w - span.Rate(b) * (g / (std::sqrt(h[i]) + delta));
  });
}

CREMA_REGISTER_UPDATE_RULE("RMSProp", 1, 0, RmsPropUpdate);

}  // namespace
}  // namespace crema
