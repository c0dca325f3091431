// SAG, as NVIDIA's Caffe has it: SGD on a running mean of the gradient,
// h = momentum * h + (1 - momentum) * g; w = w - rate * h.
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void SagUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step);
  T* h = step.history[0].mutable_data<T>();
  const T keep = static_cast<T>(step.momentum), take = static_cast<T>(1 - step.momentum);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    h[i] = keep * h[i] + take * span.Gradient(b, i, w);
    span.weight[i] = w - span.Rate(b) * h[i];
  });
}

CREMA_REGISTER_UPDATE_RULE("SAG", 1, 1, SagUpdate);

}  // namespace
}  // namespace crema
