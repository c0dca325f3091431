// Scale: y = x * s + b. s, and b of its shape, is a learned parameter or (s only) the second
// bottom; it covers the axes of x from `axis` on and is repeated over the others.
#include <limits>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/reduce.h"
#include "layers/shared/channel_wise.h"

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

template <class T>
void BiasGradient(const Context& ctx, const ChannelView& view, const T* dy, T* bias_diff) {
  const int channels = view.channels;
  const int inner = view.inner;
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        return static_cast<double>(dy[(o * channels + c) * inner + i]);
      },
      [=] HD(int c, double total) { bias_diff[c] += static_cast<T>(total); });
}

class ScaleLayer : public Layer {
 public:
  ScaleLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase), learns_scale_(config.bottom_size() < 2) {
    in_place_ =
        config.bottom_size() > 0 && config.top_size() > 0 && config.bottom(0) == config.top(0);
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
    LayerTraits traits;
    traits.max_bottoms = 2;
    traits.may_run_in_place = true;
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = learns_scale_ && param.axis() == 1 && param.num_axes() == 1;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    const Shape& x = bottoms[0];
    const Shape scale = learns_scale_ ? LearnedShape(x) : bottoms[1];
    // A scalar goes with any axis.
    axis_ = scale.rank() == 0 ? 0 : CanonicalAxis(x);
    CheckFits(x, scale);
    scale_rank_ = scale.rank();
    View(x, Layout::kPlain);
    LayerPlan plan;
    plan.tops = {x};
    if (learns_scale_) plan.params.push_back({scale, filler_});
    if (config().scale_param().bias_term()) plan.params.push_back({scale, bias_filler_});
    if (in_place_) plan.state = {{x, {}}};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& x = bottom[0]->data_tensor();
    if (in_place_ && WantsScaleGradient(bottom)) {
      ctx.device().Copy(state(0).raw(), x.raw(), x.bytes());
    }
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
  int CanonicalAxis(const Shape& x) const {
    return x.CanonicalAxis(config().scale_param().axis(), Title() + ": axis");
  }

  Shape LearnedShape(const Shape& x) const {
    const int num_axes = config().scale_param().num_axes();
    const int axis = CanonicalAxis(x);
    if (num_axes < -1 || axis + num_axes > x.rank()) {
      Fail("num_axes is ", num_axes, " with axis ", axis, ", but its bottom has the shape ",
           x.ToString(), "; num_axes must be 0 to ", x.rank() - axis, ", or -1 for all");
    }
    const auto first = x.dims().begin() + axis;
    return Shape(std::vector<int64_t>(first, num_axes < 0 ? x.dims().end() : first + num_axes));
  }

  void CheckFits(const Shape& x, const Shape& scale) const {
    bool fits = axis_ + scale.rank() <= x.rank();
    for (int a = 0; fits && a < scale.rank(); ++a) fits = x[axis_ + a] == scale[a];
    if (fits) return;
    Fail("the factor has the shape ", scale.ToString(), ", which does not equal the extents from "
         "axis ", axis_, " on of its bottom, whose shape is ", x.ToString());
  }

  // The factor's elements are the channels.
  ChannelView View(const Shape& x, Layout layout) const {
    if (layout == Layout::kChannelsLast) return ViewChannels(x, layout);
    const int64_t channels = x.Count(axis_, axis_ + scale_rank_);
    return ViewChannels(Shape{x.Count(0, axis_), channels, x.CountFrom(axis_ + scale_rank_)},
                        Layout::kPlain);
  }

  bool WantsScaleGradient(const BlobList& bottom) const {
    return learns_scale_ ? wants_gradient(0) : bottom[1]->has_diff();
  }

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
      BiasGradient<T>(ctx, view, dy, param(bias_index()).template mutable_diff<T>());
    }
    if (learns_scale_ ? wants_gradient(0) : propagate_down[1]) {
      const T* x = in_place_ ? state(0).template data<T>() : bottom[0]->data<T>();
      ScaleGradient<T>(ctx, view, x, dy, learns_scale_, scale.mutable_diff<T>());
    }
    if (propagate_down[0]) {
      ScaleForward<T>(ctx, view, dy, scale.data<T>(), static_cast<const T*>(nullptr),
                      bottom[0]->mutable_diff<T>());
    }
  }

  const bool learns_scale_;
  bool in_place_ = false;
  int axis_ = 1;
  int scale_rank_ = 0;
  FillerSpec filler_, bias_filler_;
};

CREMA_REGISTER_LAYER("Scale", ScaleLayer);

}  // namespace
}  // namespace crema
