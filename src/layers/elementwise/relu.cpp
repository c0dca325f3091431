// ReLU: y = max(x, 0) + negative_slope * min(x, 0).
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

template <class T>
void ReluForward(const Context& ctx, const Blob& x, const Blob& y, float negative_slope) {
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  const T slope = negative_slope;
  ForEach(ctx, x.count(), [=] HD(int64_t i) {
    const T v = in[i];
    out[i] = v > 0 ? v : v * slope;
  });
}

// `x` may be the output, whose sign is that of the input for any slope >= 0.
template <class T>
void ReluBackward(const Context& ctx, const Tensor& x, const Tensor& dy, float negative_slope,
                  const Tensor& dx) {
  const T* in = x.data<T>();
  const T* from = dy.data<T>();
  T* to = dx.mutable_data<T>();
  const T slope = negative_slope;
  ForEach(ctx, x.count(), [=] HD(int64_t i) { to[i] = in[i] > 0 ? from[i] : from[i] * slope; });
}

class ReluLayer : public Layer {
 public:
  ReluLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase), slope_(config.relu_param().negative_slope()) {}

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = !keeps_input_;
    traits.backward_needs_top_data = false;
    traits.backward_needs_only_signs = true;
    traits.keeps_signs = slope_ >= 0;
    return traits;
  }

  std::optional<Pointwise> AsPointwise() const override { return Pointwise::Relu(slope_); }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    // The output does not tell the input's sign.
    keeps_input_ = input.in_place && input.runs_backward && !(slope_ >= 0);
    if (keeps_input_) plan.state = {TensorSpec(input.shape(0))};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& x = bottom[0]->data_tensor();
    if (keeps_input_) ctx.device().Copy(state(0).raw(), x.raw(), x.bytes());
    CREMA_FLOAT_DISPATCH(x.dtype(), T, ReluForward<T>(ctx, *bottom[0], *top[0], slope_));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    const Tensor& x = keeps_input_ ? state(0) : bottom[0]->data_tensor();
    CREMA_FLOAT_DISPATCH(
        x.dtype(), T,
        ReluBackward<T>(ctx, x, top[0]->diff_tensor(), slope_, bottom[0]->diff_tensor()));
  }

 private:
  float slope_;
  bool keeps_input_ = false;
};

CREMA_REGISTER_LAYER("ReLU", ReluLayer);

}  // namespace
}  // namespace crema
