// Scale: y = x * s + b. s, and b of its shape, is a learned parameter or (s only) the second
// bottom; it covers the axes of x from `axis` on and is repeated over the others.
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/channel_wise.h"
#include "layers/shared/elementwise/broadcast.h"

namespace crema {
namespace {

// `bias` may be null.
template <class T>
void ScaleForward(const Context& ctx, const ChannelView& view, const T* x, const T* scale,
                  const T* bias, T* y) {
  if (bias == nullptr) {
    ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) { y[i] = x[i] * scale[c]; });
  } else {
    ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) { y[i] = x[i] * scale[c] + bias[c]; });
  }
}

// The sum of dy * x, added to scale_diff[c] where that is a parameter's.
template <class T>
void ScaleGradient(const Context& ctx, const ChannelView& view, const T* x, const T* dy,
                   bool is_parameter, T* scale_diff) {
  const int channels = view.channels;
  const int inner = view.inner;
  const T* before = is_parameter ? scale_diff : nullptr;
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        const int64_t at = (o * channels + c) * inner + i;
        return static_cast<double>(dy[at] * x[at]);
      },
      [=] HD(int c, double total) {
        const T sum = static_cast<T>(total);
        scale_diff[c] = before == nullptr ? sum : before[c] + sum;
      });
}

class ScaleLayer : public Layer {
 public:
  ScaleLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase), learns_scale_(config.bottom_size() < 2) {
    const proto::ScaleParameter& param = config.scale_param();
    if (param.has_filler()) {
      filler_ = ToFillerSpec(param.filler(), Title());
    } else {
      filler_.value = 1;
    }
    if (param.bias_term()) bias_filler_ = ToFillerSpec(param.bias_filler(), Title());
  }

  LayerTraits traits() const override {
    const proto::ScaleParameter& param = config().scale_param();
    LayerTraits traits = LayerTraits::Elementwise();
    traits.max_bottoms = 2;
    traits.backward_needs_bottom_data = !learns_scale_ || (needs_input_ && !keeps_input_);
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = IsOfChannels();
    traits.is_per_sample = learns_scale_ && param.axis() > 0;
    return traits;
  }

  std::optional<ChannelAffine> AsChannelAffine() const override {
    if (!IsOfChannels()) return std::nullopt;
    ChannelAffine affine;
    affine.scale = 0;
    if (config().scale_param().bias_term()) affine.shift = bias_index();
    return affine;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const proto::ScaleParameter& param = config().scale_param();
    const Shape scale =
        learns_scale_ ? LearnedOperand(x, param.axis(), param.num_axes(), Title()) : input.shape(1);
    place_ = PlaceOperand(x, scale, param.axis(), "factor", Title());
    View(x, Layout::kPlain);
    LayerPlan plan;
    plan.tops = {x};
    if (learns_scale_) plan.params.push_back({scale, filler_});
    if (config().scale_param().bias_term()) plan.params.push_back({scale, bias_filler_});
    needs_input_ = learns_scale_ ? input.WantsGradient(0) : input.Propagates(1);
    keeps_input_ = needs_input_ && input.in_place;
    if (keeps_input_) plan.state = {TensorSpec(x)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& x = bottom[0]->data_tensor();
    if (keeps_input_) ctx.device().Copy(state(0).raw(), x.raw(), x.bytes());
    CREMA_FLOAT_DISPATCH(x.dtype(), T,
                         ScaleForward<T>(ctx, View(x.shape(), x.layout()), x.data<T>(),
                                         ScaleBlob(bottom).template data<T>(), Bias<T>(),
                                         top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         RunBackward<T>(ctx, *top[0], propagate_down, bottom));
  }

 private:
  // Whether it has a parameter for each channel.
  bool IsOfChannels() const {
    const proto::ScaleParameter& param = config().scale_param();
    return learns_scale_ && param.axis() == 1 && param.num_axes() == 1;
  }

  ChannelView View(const Shape& x, Layout layout) const { return ViewOperand(x, layout, place_); }

  const Blob& ScaleBlob(const BlobList& bottom) const {
    return learns_scale_ ? param(0) : *bottom[1];
  }
  int bias_index() const { return learns_scale_ ? 1 : 0; }

  template <class T>
  const T* Bias() const {
    return config().scale_param().bias_term() ? param(bias_index()).template data<T>() : nullptr;
  }

  // The bottom's gradient comes last: in place it is written over the top's.
  template <class T>
  void RunBackward(Context& ctx, const Blob& top, const std::vector<bool>& propagate_down,
                   const BlobList& bottom) {
    const ChannelView view = View(top.shape(), top.layout());
    const Blob& scale = ScaleBlob(bottom);
    const T* dy = top.diff<T>();
    if (config().scale_param().bias_term() && wants_gradient(bias_index())) {
      SumToOperand<T>(ctx, view, dy, true, param(bias_index()).template mutable_diff<T>());
    }
    if (learns_scale_ ? wants_gradient(0) : propagate_down[1]) {
      const T* x = keeps_input_ ? state(0).template data<T>() : bottom[0]->data<T>();
      ScaleGradient<T>(ctx, view, x, dy, learns_scale_, scale.mutable_diff<T>());
    }
    if (propagate_down[0]) {
      ScaleForward<T>(ctx, view, dy, scale.data<T>(), static_cast<const T*>(nullptr),
                      bottom[0]->mutable_diff<T>());
    }
  }

  const bool learns_scale_;
  bool needs_input_ = true;   // backward
  bool keeps_input_ = false;  // since it is written over
  OperandPlace place_;
  FillerSpec filler_, bias_filler_;
};

CREMA_REGISTER_LAYER("Scale", ScaleLayer);

}  // namespace
}  // namespace crema
