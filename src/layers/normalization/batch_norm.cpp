// BatchNorm: y = (x - mean) / sqrt(variance + eps), channel by channel (Ioffe and Szegedy 2015).
//
// Parameters: a running sum of means, one of variances, and the weight of both. A training pass
// makes each sum S into moving_average_fraction * S + the batch's value, the weight's value being
// 1 and the variance's being the unbiased one. Use divides the sums by the weight.
//
// A Scale or a Bias and a ReLU that follow are done in the same passes over memory.
#include <cmath>

#include "crema.pb.h"
#include "crema/dev/fusible.h"
#include "crema/dev/reduce.h"
#include "crema/dev/registry.h"
#include "layers/shared/channel_wise.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// Numbers of each channel that forward makes and backward uses: xhat = (x - mean) *
// inverse_deviation, and the result, before the ReLU, (x - mean) * factor + offset.
template <class T>
struct Moments {
  T *mean, *inverse_deviation, *factor, *offset;
};

// The parameters.
template <class T>
struct Running {
  T *mean, *variance, *weight;
};

// What was fused, as addresses of its parameters and their gradients; null where there is none or
// it is not wanted. `slope` is the ReLU's; 1 where there is no ReLU.
template <class T>
struct Affine {
  const T *scale = nullptr, *bias = nullptr;
  T *scale_diff = nullptr, *bias_diff = nullptr;
  T slope = 1;
};

// In one pass, in double, over differences from a value of the channel, so that a mean far from 0
// takes nothing from the variance. The running sums are left alone unless `updates`.
template <class T>
void BatchMoments(const Context& ctx, const ChannelView& view, const T* x, float eps,
                  float fraction, bool updates, const Moments<T>& moments,
                  const Running<T>& running) {
  const int channels = view.channels;
  const int inner = view.inner;
  const double count = static_cast<double>(view.outer * inner);
  const double unbiased = count > 1 ? count / (count - 1) : 1;
  const double added = eps;
  const T keep = fraction;
  ReduceChannels<SumOp, Pair<double>>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        const double difference =
            static_cast<double>(x[(o * channels + c) * inner + i]) - x[int64_t{c} * inner];
        return Pair<double>{difference, difference * difference};
      },
      [=] HD(int c, Pair<double> total) {
        const double shift = total.first / count;
        const double squares = total.second / count - shift * shift;
        const double variance = squares > 0 ? squares : 0;
        moments.mean[c] = static_cast<T>(x[int64_t{c} * inner] + shift);
        moments.inverse_deviation[c] = static_cast<T>(1 / std::sqrt(variance + added));
        if (!updates) return;
        running.mean[c] = keep * running.mean[c] + moments.mean[c];
        running.variance[c] = keep * running.variance[c] + static_cast<T>(unbiased * variance);
      });
  if (!updates) return;
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
void Normalize(const Context& ctx, const ChannelView& view, const Moments<T>& moments,
               const Affine<T>& affine, const T* x, T* y) {
  const T *scale = affine.scale, *bias = affine.bias;
  const T slope = affine.slope;
  const T* mean = moments.mean;
  T* factor = moments.factor;
  T* offset = moments.offset;
  ForEach(ctx, view.channels, [=] HD(int64_t c) {
    factor[c] = moments.inverse_deviation[c] * (scale == nullptr ? T(1) : scale[c]);
    offset[c] = bias == nullptr ? T(0) : bias[c];
  });
  ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) {
    const T value = (x[i] - mean[c]) * factor[c] + offset[c];
    y[i] = value > 0 ? value : value * slope;
  });
}

// The gradient of a layer that uses stored statistics and is not fused; it needs no x.
template <class T>
void StoredBackward(const Context& ctx, const ChannelView& view, const Moments<T>& moments,
                    const T* dy, T* dx) {
  const T* factor = moments.factor;
  ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) { dx[i] = dy[i] * factor[c]; });
}

// With g the gradient before the ReLU: sums[c] = the mean of g, sums[channels + c] = the mean of
// g * xhat, over the deviation once more. Adds to the gradients of the scale and the bias.
template <class T>
void GradientMeans(const Context& ctx, const ChannelView& view, const Moments<T>& moments,
                   const Affine<T>& affine, const T* x, const T* dy, T* means) {
  const int channels = view.channels;
  const int inner = view.inner;
  const double count = static_cast<double>(view.outer * inner);
  const T *mean = moments.mean, *deviation = moments.inverse_deviation;
  const T *factor = moments.factor, *offset = moments.offset;
  const T slope = affine.slope;
  T *scale_diff = affine.scale_diff, *bias_diff = affine.bias_diff;
  ReduceChannels<SumOp, Pair<double>>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        const int64_t at = (o * channels + c) * inner + i;
        const T centred = x[at] - mean[c];
        const T g = centred * factor[c] + offset[c] > 0 ? dy[at] : dy[at] * slope;
        return Pair<double>{static_cast<double>(g), static_cast<double>(g * centred)};
      },
      [=] HD(int c, Pair<double> total) {
        if (bias_diff != nullptr) bias_diff[c] += static_cast<T>(total.first);
        means[c] = static_cast<T>(total.first / count);
        const double gradient = total.second * deviation[c];
        if (scale_diff != nullptr) scale_diff[c] += static_cast<T>(gradient);
        means[channels + c] = static_cast<T>(gradient / count * deviation[c]);
      });
}

// dx = (g - mean(g) - mean(g * xhat) * xhat) * factor with statistics of the batch, g * factor with
// stored ones. dx may be dy.
template <class T>
void AffineBackward(const Context& ctx, const ChannelView& view, const Moments<T>& moments,
                    const Affine<T>& affine, bool stored, const T* means, const T* x, const T* dy,
                    T* dx) {
  const int channels = view.channels;
  const T *mean = moments.mean, *factor = moments.factor, *offset = moments.offset;
  const T slope = affine.slope;
  if (stored) {
    ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) {
      const T value = (x[i] - mean[c]) * factor[c] + offset[c];
      dx[i] = (value > 0 ? dy[i] : dy[i] * slope) * factor[c];
    });
    return;
  }
  ForEachInChannels(ctx, view, [=] HD(int64_t i, int c) {
    const T centred = x[i] - mean[c];
    const T g = centred * factor[c] + offset[c] > 0 ? dy[i] : dy[i] * slope;
    dx[i] = (g - means[c] - means[channels + c] * centred) * factor[c];
  });
}

class BatchNormLayer : public Layer, public Fusible {
 public:
  BatchNormLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::BatchNormParameter& param = config.batch_norm_param();
    uses_stored_ = param.has_use_global_stats() ? param.use_global_stats() : phase == Phase::kTest;
    for (const proto::ParamSpec& spec : config.param()) {
      if (spec.lr_mult() != 0) {
        Fail(
            "its parameters are statistics, which cannot be learned; set lr_mult: 0 in each of "
            "its param entries, or remove them");
      }
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.may_run_in_place = !(IsFused() && runs_backward_);
    traits.backward_needs_bottom_data = !keeps_input_ && (!uses_stored_ || IsFused());
    traits.backward_needs_top_data = false;
    traits.is_per_sample = uses_stored_;
    traits.forward_is_reentrant = uses_stored_;
    return traits;
  }

  // With the statistics of a batch the pass would change them.
  std::optional<ChannelAffine> AsChannelAffine() const override {
    if (!uses_stored_ || IsFused() || rank_ < 2) return std::nullopt;
    ChannelAffine affine;
    affine.mean = 0;
    affine.variance = 1;
    affine.weight = 2;
    affine.eps = config().batch_norm_param().eps();
    return affine;
  }

  // Factors and offsets of the channels, as a Scale has, and then a ReLU.
  bool TryAbsorb(const Consumer& next) override {
    const std::optional<ChannelAffine> affine = next.layer->AsChannelAffine();
    if (affine && !affine->HasStatistics()) {
      if (IsFused() || rank_ < 2) return false;
      affine_layer_ = next.layer;
      affine_ = *affine;
    } else {
      if (relu_slope_) return false;
      relu_slope_ = next.ReluSlope();
      if (!relu_slope_) return false;
    }
    runs_backward_ = next.backward;
    return true;
  }

  void BindConsumer(const Layer& consumer, const BlobList& params,
                    const std::vector<bool>& wants_gradient) override {
    if (&consumer != affine_layer_) return;
    affine_params_ = params;
    affine_wants_ = wants_gradient;
  }

  // Pieces: the moments and, in place, the input, since the output, and whatever later layers make
  // of it, is written over it. Fused layers get another place for it.
  LayerPlan Plan(const PlanInput& input) override {
    if (input.shape(0).rank() == 0) Fail("its bottom is a scalar, but must have at least one axis");
    const ChannelView view = ViewChannels(input.shape(0), Layout::kPlain);
    rank_ = input.shape(0).rank();
    const Shape per_channel{view.channels};
    ParamDecl statistics;
    statistics.shape = per_channel;
    statistics.learned = false;
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    plan.params = {statistics, statistics, statistics};
    plan.params[2].shape = Shape{1};
    keeps_input_ = input.in_place && input.runs_backward && !uses_stored_ && !IsFused();
    saved_.Begin(input);
    saved_.Save(Shape{4, view.channels}, &plan);
    if (keeps_input_) saved_.Save(input.shape(0), &plan);
    const size_t backward = input.runs_backward ? ScratchBytes(view, input.dtype) : 0;
    plan.scratch_bytes = std::max(plan.scratch_bytes, backward);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (bottom[0]->count() == 0) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, RunForward<T>(ctx, *bottom[0], *top[0], true));
  }

  // The running sums have the batch's moments already.
  void Recompute(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (bottom[0]->count() == 0) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, RunForward<T>(ctx, *bottom[0], *top[0], false));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (bottom[0]->count() == 0) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         RunBackward<T>(ctx, *top[0], propagate_down[0], *bottom[0]));
  }

 private:
  bool IsFused() const { return affine_layer_ != nullptr || relu_slope_.has_value(); }

  static ChannelView View(const Blob& x) { return ViewChannels(x.shape(), x.layout()); }

  static size_t ScratchBytes(const ChannelView& view, DType dtype) {
    return 2 * static_cast<size_t>(view.channels) * SizeOf(dtype);
  }

  template <class T>
  static Moments<T> MomentsAt(T* first, int channels) {
    return {first, first + channels, first + 2 * channels, first + 3 * channels};
  }
  template <class T>
  Moments<T> SavedMoments(int channels) const {
    return MomentsAt(saved_.Saved(states()).template at<T>(kMoments), channels);
  }

  // Of a parameter of the absorbed layer; null where there is none, or no gradient is wanted.
  template <class T>
  const T* AffineData(int index) const {
    return index < 0 ? nullptr : affine_params_[index]->template data<T>();
  }
  template <class T>
  T* AffineGradient(int index) const {
    const bool wants = index >= 0 && affine_wants_[index];
    return wants ? affine_params_[index]->template mutable_diff<T>() : nullptr;
  }

  template <class T>
  Affine<T> Fused() const {
    Affine<T> affine;
    if (relu_slope_) affine.slope = *relu_slope_;
    affine.scale = AffineData<T>(affine_.scale);
    affine.scale_diff = AffineGradient<T>(affine_.scale);
    affine.bias = AffineData<T>(affine_.shift);
    affine.bias_diff = AffineGradient<T>(affine_.shift);
    return affine;
  }

  // Moments that were saved are there in a second pass.
  template <class T>
  void RunForward(Context& ctx, const Blob& bottom, const Blob& top, bool is_first) {
    T* numbers = saved_.Open(ctx, states()).template at<T>(kMoments);
    const Moments<T> moments = MomentsAt(numbers, View(bottom).channels);
    if (is_first || !saved_.saves()) ComputeMoments<T>(ctx, bottom, is_first, moments);
    Run<T>(ctx, bottom, moments, top);
  }

  template <class T>
  void ComputeMoments(Context& ctx, const Blob& bottom, bool updates, const Moments<T>& moments) {
    const proto::BatchNormParameter& options = config().batch_norm_param();
    const ChannelView view = View(bottom);
    // Written to in training only: mutable_data announces a change.
    const Running<T> running = {const_cast<T*>(param(0).data<T>()),
                                const_cast<T*>(param(1).data<T>()),
                                const_cast<T*>(param(2).data<T>())};
    if (uses_stored_) return StoredMoments<T>(ctx, view.channels, options.eps(), moments, running);
    if (updates) param(0).data_tensor().buffer()->AnnounceChange();
    BatchMoments<T>(ctx, view, bottom.data<T>(), options.eps(), options.moving_average_fraction(),
                    updates, moments, running);
  }

  template <class T>
  void Run(Context& ctx, const Blob& bottom, const Moments<T>& moments, const Blob& top) {
    const ChannelView view = View(bottom);
    if (keeps_input_) {
      T* kept = saved_.Saved(states()).template at<T>(kInput);
      ctx.device().Copy(kept, bottom.data<T>(), bottom.data_tensor().bytes());
    }
    Normalize<T>(ctx, view, moments, Fused<T>(), bottom.data<T>(), top.mutable_data<T>());
  }

  template <class T>
  void RunBackward(Context& ctx, const Blob& top, bool propagates, const Blob& bottom) {
    const ChannelView view = View(bottom);
    const Moments<T> moments = SavedMoments<T>(view.channels);
    const Affine<T> affine = Fused<T>();
    const T* dy = top.diff<T>();
    T* dx = propagates ? bottom.mutable_diff<T>() : nullptr;
    if (uses_stored_ && !IsFused()) {
      if (propagates) StoredBackward<T>(ctx, view, moments, dy, dx);
      return;
    }
    const T* x = keeps_input_ ? saved_.Saved(states()).template at<T>(kInput) : bottom.data<T>();
    T* means = static_cast<T*>(ctx.Scratch(ScratchBytes(view, bottom.dtype())));
    GradientMeans<T>(ctx, view, moments, affine, x, dy, means);
    if (propagates) {
      AffineBackward<T>(ctx, view, moments, affine, uses_stored_, means, x, dy, dx);
    }
  }

  static constexpr int kMoments = 0, kInput = 1;  // pieces

  bool uses_stored_ = false;
  bool keeps_input_ = false;
  SavedForBackward saved_;
  int rank_ = 0;
  // What was absorbed: a layer that multiplies and adds, which comes first, and a ReLU.
  const Layer* affine_layer_ = nullptr;
  ChannelAffine affine_;
  BlobList affine_params_;
  std::vector<bool> affine_wants_;
  std::optional<float> relu_slope_;
  bool runs_backward_ = false;
};

CREMA_REGISTER_LAYER("BatchNorm", BatchNormLayer);

}  // namespace
}  // namespace crema
