// Nesterov's accelerated gradient, in the form of Sutskever, Martens, Dahl, Hinton: "On the
// importance of initialization and momentum in deep learning", 2013:
// h' = momentum * h + rate * g; w = w - (1 + momentum) h' + momentum * h.
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void NesterovUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step);
  T* h = step.history[0].mutable_data<T>();
  const T momentum = static_cast<T>(step.momentum);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    const T g = span.Gradient(b, i, w);
    const T before = h[i];
    const T after = momentum * before + span.Rate(b) * g;
    h[i] = after;
    span.weight[i] = w - ((1 + momentum) * after - momentum * before);
  });
}

CREMA_REGISTER_UPDATE_RULE("Nesterov", 1, 1, NesterovUpdate);

}  // namespace
}  // namespace crema
