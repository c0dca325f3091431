// Bias: y = x + b. b is a learned parameter or the second bottom; it covers the axes of x from
// `axis` on and is repeated over the others.
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/channel_wise.h"
#include "layers/shared/elementwise/broadcast.h"

namespace crema {
namespace {

template <class T>
void BiasForward(const Context& ctx, const ChannelView& view, const T* x, const T* bias, T* y) {
  ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) { y[i] = x[i] + bias[c]; });
}

class BiasLayer : public Layer {
 public:
  BiasLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase), learns_(config.bottom_size() < 2) {
    filler_ = ToFillerSpec(config.bias_param().filler(), Title());
  }

  LayerTraits traits() const override {
    const proto::BiasParameter& param = config().bias_param();
    LayerTraits traits = LayerTraits::Elementwise();
    traits.max_bottoms = 2;
    traits.backward_needs_bottom_data = traits.backward_needs_top_data = false;
    traits.accepts_channels_last = IsOfChannels();
    traits.is_per_sample = learns_ && param.axis() > 0;
    return traits;
  }

  std::optional<ChannelAffine> AsChannelAffine() const override {
    if (!IsOfChannels()) return std::nullopt;
    ChannelAffine affine;
    affine.shift = 0;
    return affine;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const proto::BiasParameter& param = config().bias_param();
    const Shape bias =
        learns_ ? LearnedOperand(x, param.axis(), param.num_axes(), Title()) : input.shape(1);
    place_ = PlaceOperand(x, bias, param.axis(), "bias", Title());
    ViewOperand(x, Layout::kPlain, place_);
    LayerPlan plan;
    plan.tops = {x};
    if (learns_) plan.params = {{bias, filler_}};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& x = bottom[0]->data_tensor();
    const Blob& bias = learns_ ? param(0) : *bottom[1];
    CREMA_FLOAT_DISPATCH(x.dtype(), T,
                         BiasForward<T>(ctx, ViewOperand(x.shape(), x.layout(), place_),
                                        x.data<T>(), bias.data<T>(), top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    const Tensor& dy = top[0]->diff_tensor();
    if (learns_ ? wants_gradient(0) : propagate_down[1]) {
      const Blob& bias = learns_ ? param(0) : *bottom[1];
      CREMA_FLOAT_DISPATCH(dy.dtype(), T,
                           SumToOperand<T>(ctx, ViewOperand(dy.shape(), dy.layout(), place_),
                                           dy.data<T>(), learns_, bias.mutable_diff<T>()));
    }
    const Tensor& dx = bottom[0]->diff_tensor();
    if (propagate_down[0] && dx.raw() != dy.raw()) {
      ctx.device().Copy(dx.raw(), dy.raw(), dy.bytes());
    }
  }

 private:
  // Whether it has a parameter for each channel.
  bool IsOfChannels() const {
    const proto::BiasParameter& param = config().bias_param();
    return learns_ && param.axis() == 1 && param.num_axes() == 1;
  }

  const bool learns_;
  FillerSpec filler_;
  OperandPlace place_;
};

CREMA_REGISTER_LAYER("Bias", BiasLayer);

}  // namespace
}  // namespace crema
