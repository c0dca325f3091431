// PReLU (He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015): y = x for x > 0, slope * x
// elsewhere, with a learned slope for each channel (axis 1), or one for all.
#include "crema.pb.h"
#include "crema/dev/reduce.h"
#include "crema/dev/registry.h"
#include "layers/shared/channel_wise.h"

namespace crema {
namespace {

template <class T>
void PreluForward(const Context& ctx, const ChannelView& view, const T* x, const T* slope, T* y) {
  ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) {
    const T v = x[i];
    y[i] = v > 0 ? v : v * slope[c];
  });
}

template <class T>
void PreluBackward(const Context& ctx, const ChannelView& view, const T* x, const T* slope,
                   const T* dy, T* dx) {
  ForEachInChannels(ctx, view,
                    [=] HD(int64_t i, int c) { dx[i] = x[i] > 0 ? dy[i] : dy[i] * slope[c]; });
}

template <class T>
void SlopeGradient(const Context& ctx, const ChannelView& view, const T* x, const T* dy,
                   T* slope_diff) {
  const int channels = view.channels;
  const int inner = view.inner;
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        const int64_t at = (o * channels + c) * inner + i;
        return x[at] > 0 ? 0.0 : static_cast<double>(dy[at] * x[at]);
      },
      [=] HD(int c, double total) { slope_diff[c] += static_cast<T>(total); });
}

class PreluLayer : public Layer {
 public:
  PreluLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    filler_.value = 0.25;
    const proto::PReLUParameter& param = config.prelu_param();
    if (param.has_filler()) filler_ = ToFillerSpec(param.filler(), Title());
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = !keeps_input_;
    traits.backward_needs_top_data = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    if (x.rank() < 2) {
      Fail("its bottom has shape ", x.ToString(), ", but needs at least 2 axes (N x C x ...)");
    }
    LayerPlan plan;
    plan.tops = {x};
    plan.params = {{shared() ? Shape{} : Shape{x[1]}, filler_}};
    keeps_input_ = input.in_place && input.runs_backward;
    if (keeps_input_) plan.state = {TensorSpec(x)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& x = bottom[0]->data_tensor();
    if (keeps_input_) ctx.device().Copy(state(0).raw(), x.raw(), x.bytes());
    CREMA_FLOAT_DISPATCH(
        x.dtype(), T,
        PreluForward<T>(ctx, View(x), x.data<T>(), param(0).data<T>(), top[0]->mutable_data<T>()));
  }

  // The bottom's gradient comes last: in place it is written over the top's.
  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    const Tensor& x = keeps_input_ ? state(0) : bottom[0]->data_tensor();
    const ChannelView view = View(bottom[0]->data_tensor());
    if (wants_gradient(0)) {
      CREMA_FLOAT_DISPATCH(
          x.dtype(), T,
          SlopeGradient<T>(ctx, view, x.data<T>(), top[0]->diff<T>(), param(0).mutable_diff<T>()));
    }
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(x.dtype(), T,
                         PreluBackward<T>(ctx, view, x.data<T>(), param(0).data<T>(),
                                          top[0]->diff<T>(), bottom[0]->mutable_diff<T>()));
  }

 private:
  bool shared() const { return config().prelu_param().channel_shared(); }

  // One channel if the slope is shared.
  ChannelView View(const Tensor& x) const {
    if (!shared()) return ViewChannels(x.shape(), x.layout());
    const int64_t items = x.shape()[0];
    return ViewChannels(Shape{items, 1, items == 0 ? 0 : x.count() / items}, Layout::kPlain);
  }

  bool keeps_input_ = false;
  FillerSpec filler_;
};

CREMA_REGISTER_LAYER("PReLU", PreluLayer);

}  // namespace
}  // namespace crema
