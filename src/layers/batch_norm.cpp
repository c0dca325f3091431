// BatchNorm: y = (x - mean) / sqrt(variance + eps), channel by channel (Ioffe and Szegedy 2015).
//
// Parameters: a running sum of means, one of variances, and the weight of both. A training pass
// makes each sum S into moving_average_fraction * S + the batch's value, the weight's value being
// 1 and the variance's being the unbiased one. Use divides the sums by the weight.
#include <cmath>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/reduce.h"
#include "layers/shared/channel_wise.h"

namespace crema {
namespace {

// One number a channel: what is subtracted from x, and what it is then multiplied by.
template <class T>
struct Moments {
  T* mean;
  T* inverse_deviation;
};

// The parameters.
template <class T>
struct Running {
  T* mean;
  T* variance;
  T* weight;
};

// Two passes, in double: the variance is summed over differences from the mean.
template <class T>
void BatchMoments(const Context& ctx, const ChannelView& view, const T* x, float eps,
                  float fraction, const Moments<T>& moments, const Running<T>& running) {
  const int channels = view.channels;
  const int inner = view.inner;
  const double count = static_cast<double>(view.outer * inner);
  const double unbiased = count > 1 ? count / (count - 1) : 1;
  const double added = eps;
  const T keep = fraction;
  const T* mean = moments.mean;
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        return static_cast<double>(x[(o * channels + c) * inner + i]);
      },
      [=] HD(int c, double total) {
        moments.mean[c] = static_cast<T>(total / count);
        running.mean[c] = keep * running.mean[c] + moments.mean[c];
      });
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        const T difference = x[(o * channels + c) * inner + i] - mean[c];
        return static_cast<double>(difference) * difference;
      },
      [=] HD(int c, double total) {
        const double variance = total / count;
        moments.inverse_deviation[c] = static_cast<T>(1 / std::sqrt(variance + added));
        running.variance[c] = keep * running.variance[c] + static_cast<T>(unbiased * variance);
      });
  ForEach(ctx, 1, [=] HD(int64_t) { running.weight[0] = keep * running.weight[0] + 1; });
}

// A weight of 0, nothing learned yet, gives mean and variance 0.
template <class T>
void StoredMoments(const Context& ctx, int channels, float eps, const Moments<T>& moments,
                   const Running<T>& running) {
  const T added = eps;
  ForEach(ctx, channels, [=] HD(int64_t c) {
    const T weight = running.weight[0];
    const T factor = weight == 0 ? T(0) : 1 / weight;
    moments.mean[c] = running.mean[c] * factor;
    moments.inverse_deviation[c] = 1 / std::sqrt(running.variance[c] * factor + added);
  });
}

template <class T>
void Normalize(const Context& ctx, const ChannelView& view, const Moments<T>& moments, const T* x,
               T* y) {
  const T* mean = moments.mean;
  const T* factor = moments.inverse_deviation;
  ForEachInChannels(ctx, view,
                    [=] HD(int64_t i, int c) { y[i] = (x[i] - mean[c]) * factor[c]; });
}

template <class T>
void StoredBackward(const Context& ctx, const ChannelView& view, const Moments<T>& moments,
                    const T* dy, T* dx) {
  const T* factor = moments.inverse_deviation;
  ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) { dx[i] = dy[i] * factor[c]; });
}

// dx = (dy - mean(dy) - mean(dy * y) * y) / deviation, with y made from x again. `means` has room
// for two numbers a channel. dx may be dy.
template <class T>
void BatchBackward(const Context& ctx, const ChannelView& view, const Moments<T>& moments,
                   const T* x, const T* dy, T* dx, T* means) {
  const int channels = view.channels;
  const int inner = view.inner;
  const double count = static_cast<double>(view.outer * inner);
  const T* mean = moments.mean;
  const T* factor = moments.inverse_deviation;
  T* mean_dy = means;
  T* mean_dy_y = means + channels;
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        return static_cast<double>(dy[(o * channels + c) * inner + i]);
      },
      [=] HD(int c, double total) { mean_dy[c] = static_cast<T>(total / count); });
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        const int64_t at = (o * channels + c) * inner + i;
        return static_cast<double>(dy[at] * (x[at] - mean[c]));
      },
      [=] HD(int c, double total) { mean_dy_y[c] = static_cast<T>(total / count * factor[c]); });
  ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) {
    const T y = (x[i] - mean[c]) * factor[c];
    dx[i] = (dy[i] - mean_dy[c] - mean_dy_y[c] * y) * factor[c];
  });
}

class BatchNormLayer : public Layer {
 public:
  BatchNormLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::BatchNormParameter& param = config.batch_norm_param();
    uses_stored_ = param.has_use_global_stats() ? param.use_global_stats() : phase == Phase::kTest;
    in_place_ =
        config.bottom_size() > 0 && config.top_size() > 0 && config.bottom(0) == config.top(0);
    for (const proto::ParamSpec& spec : config.param()) {
      if (spec.lr_mult() != 0) {
        Fail("its parameters are statistics, which cannot be learned; set lr_mult: 0 in each of "
             "its param entries, or remove them");
      }
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.may_run_in_place = true;
    traits.backward_needs_bottom_data = !uses_stored_;
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = true;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType dtype) override {
    if (bottoms[0].rank() == 0) Fail("its bottom is a scalar; it needs at least one axis");
    const ChannelView view = ViewChannels(bottoms[0], Layout::kPlain);
    const Shape per_channel{view.channels};
    ParamDecl statistics;
    statistics.shape = per_channel;
    statistics.learned = false;
    LayerPlan plan;
    plan.tops = {bottoms[0]};
    plan.params = {statistics, statistics, statistics};
    plan.params[2].shape = Shape{1};
    plan.state = {{per_channel, {}}, {per_channel, {}}};
    if (KeepsInput()) plan.state.push_back({bottoms[0], {}});
    plan.scratch_bytes = ScratchBytes(view, dtype);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (bottom[0]->count() == 0) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, Run<T>(ctx, *bottom[0], *top[0]));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0] || bottom[0]->count() == 0) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, RunBackward<T>(ctx, *top[0], *bottom[0]));
  }

 private:
  // In place the output, and whatever later layers make of it, is written over the input.
  bool KeepsInput() const { return in_place_ && !uses_stored_; }

  static ChannelView View(const Blob& x) { return ViewChannels(x.shape(), x.layout()); }

  static size_t ScratchBytes(const ChannelView& view, DType dtype) {
    return 2 * static_cast<size_t>(view.channels) * SizeOf(dtype);
  }

  template <class T>
  Moments<T> SavedMoments() const {
    return {state(0).mutable_data<T>(), state(1).mutable_data<T>()};
  }

  template <class T>
  void Run(Context& ctx, const Blob& bottom, const Blob& top) {
    const proto::BatchNormParameter& options = config().batch_norm_param();
    const ChannelView view = View(bottom);
    const Moments<T> moments = SavedMoments<T>();
    const Running<T> running = {param(0).mutable_data<T>(), param(1).mutable_data<T>(),
                                param(2).mutable_data<T>()};
    if (uses_stored_) {
      StoredMoments<T>(ctx, view.channels, options.eps(), moments, running);
    } else {
      BatchMoments<T>(ctx, view, bottom.data<T>(), options.eps(),
                      options.moving_average_fraction(), moments, running);
    }
    if (KeepsInput()) {
      const Tensor& input = bottom.data_tensor();
      ctx.device().Copy(state(2).raw(), input.raw(), input.bytes());
    }
    Normalize<T>(ctx, view, moments, bottom.data<T>(), top.mutable_data<T>());
  }

  template <class T>
  void RunBackward(Context& ctx, const Blob& top, const Blob& bottom) {
    const ChannelView view = View(bottom);
    const Moments<T> moments = SavedMoments<T>();
    const T* dy = top.diff<T>();
    T* dx = bottom.mutable_diff<T>();
    if (uses_stored_) return StoredBackward<T>(ctx, view, moments, dy, dx);
    const T* x = KeepsInput() ? state(2).data<T>() : bottom.data<T>();
    T* means = static_cast<T*>(ctx.Scratch(ScratchBytes(view, bottom.dtype())));
    BatchBackward<T>(ctx, view, moments, x, dy, dx, means);
  }

  bool uses_stored_ = false;
  bool in_place_ = false;
};

CREMA_REGISTER_LAYER("BatchNorm", BatchNormLayer);

}  // namespace
}  // namespace crema
