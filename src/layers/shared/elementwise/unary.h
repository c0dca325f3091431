// Layers that apply one function to every element. Such a layer is a class template of the number
// type with the function, its slope, and what of a forward pass the slope needs:
//
//   template <class T>
//   struct Sigmoid {
//     explicit Sigmoid(const proto::LayerParameter& config);  // reads the options
//     HD T Value(T x) const;
//     HD T Slope(T x, T y) const;  // dy/dx, of the input x and the output y, each if it is used
//     bool SlopeUsesInput() const;
//     bool SlopeUsesOutput() const;
//     Pointwise Description() const;  // may be left out; see Layer::AsPointwise
//   };
//   using SigmoidLayer = UnaryLayer<Sigmoid>;
//   CREMA_REGISTER_LAYER("Sigmoid", SigmoidLayer);
//
// All of them may run in place. Where the slope uses the input, which is then written over, the
// layer keeps a copy of it.
#pragma once

#include <optional>
#include <vector>

#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace crema {
inline namespace CREMA_TARGET {

template <class T, class F>
void ApplyUnary(const Context& ctx, int64_t count, const T* x, T* y, F function) {
  ForEach(ctx, count, [=] HD(int64_t i) { y[i] = function.Value(x[i]); });
}

template <class T, class F>
void ApplyUnarySlope(const Context& ctx, int64_t count, const T* x, const T* y, const T* dy, T* dx,
                     F function) {
  ForEach(ctx, count, [=] HD(int64_t i) { dx[i] = dy[i] * function.Slope(x[i], y[i]); });
}

template <template <class> class Function>
class UnaryLayer : public Layer {
 public:
  UnaryLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase),
        slope_uses_input_(Function<float>(config).SlopeUsesInput()),
        slope_uses_output_(Function<float>(config).SlopeUsesOutput()) {}

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = slope_uses_input_ && !keeps_input_;
    traits.backward_needs_top_data = slope_uses_output_;
    return traits;
  }

  std::optional<Pointwise> AsPointwise() const override {
    return DescriptionOf(Function<float>(config()), 0);
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    keeps_input_ = input.in_place && input.runs_backward && slope_uses_input_;
    if (keeps_input_) plan.state = {TensorSpec(input.shape(0))};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& x = bottom[0]->data_tensor();
    if (keeps_input_) ctx.device().Copy(state(0).raw(), x.raw(), x.bytes());
    CREMA_FLOAT_DISPATCH(x.dtype(), T,
                         ApplyUnary<T>(ctx, x.count(), x.data<T>(), top[0]->mutable_data<T>(),
                                       Function<T>(config())));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    // What the slope does not use may not be there any more.
    const Tensor& input = keeps_input_ ? state(0) : bottom[0]->data_tensor();
    const Tensor& output = top[0]->data_tensor();
    const Tensor& x = slope_uses_input_ ? input : output;
    const Tensor& y = slope_uses_output_ ? output : input;
    CREMA_FLOAT_DISPATCH(
        x.dtype(), T,
        ApplyUnarySlope<T>(ctx, x.count(), x.data<T>(), y.data<T>(), top[0]->diff<T>(),
                           bottom[0]->mutable_diff<T>(), Function<T>(config())));
  }

 private:
  // The first is chosen for functions that have a description.
  template <class F>
  static auto DescriptionOf(const F& function, int)
      -> std::optional<decltype(function.Description())> {
    return function.Description();
  }
  template <class F>
  static std::optional<Pointwise> DescriptionOf(const F&, long) {
    return std::nullopt;
  }

  bool slope_uses_input_, slope_uses_output_, keeps_input_ = false;
};

}  // namespace CREMA_TARGET
}  // namespace crema
