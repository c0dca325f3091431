// AdaDelta (Zeiler: "ADADELTA: an adaptive learning rate method", 2012), with running means that
// keep `momentum`: a = mean of g^2; u = g sqrt((b + delta) / (a + delta)); b = mean of u^2;
// w = w - rate * u.
#include "solvers/fused_update.h"

namespace crema {
namespace {

template <class T>
void AdaDeltaUpdate(const Context& ctx, const UpdateStep& step) {
  const UpdateSpan<T> span(step);
  T* squares = step.history[0].mutable_data<T>();  // of gradients
  T* updates = step.history[1].mutable_data<T>();  // their squares, too, without the rate
  const T delta = static_cast<T>(step.delta);
  const T keep = static_cast<T>(step.momentum), take = static_cast<T>(1 - step.momentum);
  ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
    const int64_t i = span.Index(b, c);
    const T w = span.weight[i];
    const T g = span.Gradient(b, i, w);
    squares[i] = keep * squares[i] + take * g * g;
    const T update = g * std::sqrt((updates[i] + delta) / (squares[i] + delta));
    updates[i] = keep * updates[i] + take * update * update;
    span.weight[i] = w - span.Rate(b) * update;
  });
}

CREMA_REGISTER_UPDATE_RULE("AdaDelta", 2, 0, AdaDeltaUpdate);

}  // namespace
}  // namespace crema
