// AdaGrad (Duchi, Hazan, Singer: "Adaptive subgradient methods for online learning and stochastic
// optimization", 2011): h = h + g^2; w = w - rate * g / (sqrt(h) + delta).
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void AdaGradUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step);
  T* h = step.history[0].mutable_data<T>();
  const T delta = static_cast<T>(step.delta);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    const T g = span.Gradient(b, i, w);
    h[i] += g * g;
    span.weight[i] = w - span.Rate(b) * (g / (std::sqrt(h[i]) + delta));
  });
}

CREMA_REGISTER_UPDATE_RULE("AdaGrad", 1, 0, AdaGradUpdate);

}  // namespace
}  // namespace crema
