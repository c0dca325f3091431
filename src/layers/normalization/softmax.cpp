// Softmax: y = exp(x) / sum of exp(x) along one axis. The largest x is subtracted first, so that
// no exp overflows.
#include "layers/shared/normalization/softmax.h"

#include "crema.pb.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

template <class T>
void SoftmaxForward(const Context& ctx, const ChannelView& view, const Blob& x, const Blob& y,
                    T* max) {
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  ScoreMaxima(ctx, view, in, max);
  ForEachScore(ctx, view, [=] HD(int64_t i, int64_t position, int) {
    out[i] = std::exp(in[i] - max[position]);
  });
  T* sum = max;  // done with the maxima
  ReduceScores<SumOp, T>(
      ctx, view, [=] HD(int64_t i, int64_t) { return out[i]; }, sum);
  ForEachScore(ctx, view,
               [=] HD(int64_t i, int64_t position, int) { out[i] = out[i] / sum[position]; });
}

// dx = y * (dy - sum of y * dy).
template <class T>
void SoftmaxBackward(const Context& ctx, const ChannelView& view, const Blob& x, const Blob& y,
                     T* dot) {
  const T* out = y.data<T>();
  const T* dy = y.diff<T>();
  T* dx = x.mutable_diff<T>();
  ReduceScores<SumOp, T>(
      ctx, view, [=] HD(int64_t i, int64_t) { return out[i] * dy[i]; }, dot);
  ForEachScore(ctx, view, [=] HD(int64_t i, int64_t position, int) {
    dx[i] = out[i] * (dy[i] - dot[position]);
  });
}

class SoftmaxLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = false;
    traits.accepts_channels_last = config().softmax_param().axis() == 1;
    traits.is_per_sample = config().softmax_param().axis() > 0;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    axis_ = input.shape(0).CanonicalAxis(config().softmax_param().axis(), Title() + ": axis");
    const ChannelView view = ViewChannels(input.shape(0), Layout::kPlain, axis_);
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    plan.scratch_bytes = ScratchBytes(view, input.dtype);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const ChannelView view = ViewChannels(bottom[0]->shape(), bottom[0]->layout(), axis_);
    void* scratch = ctx.Scratch(ScratchBytes(view, bottom[0]->dtype()));
    CREMA_FLOAT_DISPATCH(
        bottom[0]->dtype(), T,
        SoftmaxForward<T>(ctx, view, *bottom[0], *top[0], static_cast<T*>(scratch)));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    const ChannelView view = ViewChannels(bottom[0]->shape(), bottom[0]->layout(), axis_);
    void* scratch = ctx.Scratch(ScratchBytes(view, bottom[0]->dtype()));
    CREMA_FLOAT_DISPATCH(
        bottom[0]->dtype(), T,
        SoftmaxBackward<T>(ctx, view, *bottom[0], *top[0], static_cast<T*>(scratch)));
  }

 private:
  static size_t ScratchBytes(const ChannelView& view, DType dtype) {
    return static_cast<size_t>(view.outer * view.inner) * SizeOf(dtype);
  }

  int axis_ = 1;
};

CREMA_REGISTER_LAYER("Softmax", SoftmaxLayer);

}  // namespace
}  // namespace crema
