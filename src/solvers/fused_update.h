// What the files of update rules share. A rule is a function template that updates all parameters
// in one pass over memory:
//   template <class T>
//   void SgdUpdate(const Context& ctx, const UpdateStep& step) {
//     const UpdateSpan<T> span(step);
//     ...
//     ForEach(ctx, span.blocks, kParamBlock, [=] HD(int64_t b, int c) {
//       const int64_t i = span.Index(b, c);
//       ...
//     });
//   }
//   CREMA_REGISTER_UPDATE_RULE("SGD", 1, 1, SgdUpdate);  // see history_count and first_square
#pragma once

#include <cmath>

#include "crema/dev/for_each.h"
#include "solvers/update_rule.h"
#include "tensor/param_block.h"

namespace crema {
inline namespace CREMA_TARGET {

// The blocks of a step as kernels see them; captured by value. `b` counts from the span's first
// block, `i` is an index into the flat buffers.
template <class T>
struct UpdateSpan {
  T* weight;
  const T *gradient, *factor, *rate_mult, *decay_mult;
  int64_t first, blocks;
  T rate, l1, l2;

  // `correction` is a factor of the rate.
  explicit UpdateSpan(const UpdateStep& step, double correction = 1)
      : weight(step.weights.mutable_data<T>()),
        gradient(step.gradients.data<T>()),
        factor(step.gradient_factor.data<T>()),
        rate_mult(step.rate_mults.data<T>() + step.first_block),
        decay_mult(step.decay_mults.data<T>() + step.first_block),
        first(step.first_block * kParamBlock),
        blocks(step.blocks),
        rate(static_cast<T>(step.rate * correction)),
        l1(static_cast<T>(step.l1 ? step.decay : 0)),
        l2(static_cast<T>(step.l1 ? 0 : step.decay)) {}

  // Where element c of block b is.
  HD int64_t Index(int64_t b, int c) const { return first + b * kParamBlock + c; }
  // The learning rate of a block, lr_mult included.
  HD T Rate(int64_t b) const { return rate * rate_mult[b]; }
  // What the regularisation asks of a weight w.
  HD T Decay(int64_t b, T w) const {
    const T sign = static_cast<T>((w > 0) - (w < 0));
    return l2 * decay_mult[b] * w + l1 * decay_mult[b] * sign;
  }
  // The gradient, clipped and divided by iter_size.
  HD T Plain(int64_t i) const { return gradient[i] * factor[0]; }
  // The same with the regularisation.
  HD T Gradient(int64_t b, int64_t i, T w) const { return Plain(i) + Decay(b, w); }
};

// What Adam's rate is multiplied with, because its means begin at zero; t counts from 1:
// sqrt(1 - beta2^t) / (1 - beta1^t).
inline double AdamCorrection(const UpdateStep& step) {
  const auto t = static_cast<double>(step.iteration + 1);
  return std::sqrt(1 - std::pow(step.momentum2, t)) / (1 - std::pow(step.momentum, t));
}

}  // namespace CREMA_TARGET
}  // namespace crema

#define CREMA_REGISTER_UPDATE_RULE(type, histories, square, Function)        \
  class Function##Rule : public UpdateRule {                                 \
   public:                                                                   \
    int history_count() const override { return histories; }                 \
    int first_square() const override { return square; }                     \
    void Update(const Context& ctx, const UpdateStep& step) const override { \
      CREMA_FLOAT_DISPATCH(step.weights.dtype(), T, Function<T>(ctx, step)); \
    }                                                                        \
  };                                                                         \
  static const ::crema::UpdateRuleRegistration registration_of_##Function(   \
      type, CREMA_TARGET_DEVICE,                                             \
      []() -> std::unique_ptr<::crema::UpdateRule> { return std::make_unique<Function##Rule>(); })
