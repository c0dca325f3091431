// SGD with momentum: h = momentum * h + rate * g; w = w - h.
#include <cmath>

#include "crema/math/for_each.h"
#include "solvers/update_rule.h"

namespace crema {
namespace {

// kClip is a template parameter since the test for it would keep the loop from being vectorised.
template <class T, bool kClip>
void SgdUpdate(const Context& ctx, const Blob& param, const Tensor& history,
               const UpdateStep& step) {
  const T* gradient = param.diff<T>();
  const T* squares = kClip ? step.sum_of_squares.data<T>() : nullptr;
  T* weight = param.mutable_data<T>();
  T* h = history.mutable_data<T>();
  const T rate = static_cast<T>(step.rate), momentum = static_cast<T>(step.momentum);
  const T scale = static_cast<T>(step.gradient_scale), clip = static_cast<T>(step.clip);
  const T l2 = static_cast<T>(step.l1 ? 0 : step.decay);
  const T l1 = static_cast<T>(step.l1 ? step.decay : 0);
  ForEach(ctx, param.count(), [=] HD(int64_t i) {
    T factor = scale;
    if (kClip && squares[0] > clip * clip) factor *= clip / std::sqrt(squares[0]);
    const T w = weight[i];
    const T sign = static_cast<T>((w > 0) - (w < 0));
    const T g = gradient[i] * factor + l2 * w + l1 * sign;
    h[i] = momentum * h[i] + rate * g;
    weight[i] = w - h[i];
  });
}

class SgdRule : public UpdateRule {
 public:
  int history_count() const override { return 1; }
  void Update(const Context& ctx, const Blob& param, const std::vector<Tensor>& history,
              const UpdateStep& step) const override {
    if (step.sum_of_squares.empty()) {
      CREMA_FLOAT_DISPATCH(param.dtype(), T, SgdUpdate<T, false>(ctx, param, history[0], step));
    } else {
      CREMA_FLOAT_DISPATCH(param.dtype(), T, SgdUpdate<T, true>(ctx, param, history[0], step));
    }
  }
};

CREMA_REGISTER_UPDATE_RULE("SGD", SgdRule);

}  // namespace
}  // namespace crema
