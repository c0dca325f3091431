// SGD with momentum: h = momentum * h + rate * g; w = w - h.
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void SgdUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step);
  T* h = step.history[0].mutable_data<T>();
  const T momentum = static_cast<T>(step.momentum);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    const T g = span.Gradient(b, i, w);
    h[i] = momentum * h[i] + span.Rate(b) * g;
    span.weight[i] = w - h[i];
  });
}

CREMA_REGISTER_UPDATE_RULE("SGD", 1, 1, SgdUpdate);

}  // namespace
}  // namespace crema
