// MVN: each channel of each item (or each item, with across_channels) less its mean, divided by its
// standard deviation + eps.
#include <cmath>
#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/reduce.h"
#include "crema/dev/registry.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// rows x cols values, each row normalised by itself.
struct MvnRows {
  int64_t rows;
  int64_t cols;
  double eps;
  int64_t divides;  // 0: only the mean is taken away
};

template <class T>
void Means(const Context& ctx, const MvnRows& v, const T* x, T* mean) {
  const int64_t cols = v.cols;
  ReduceRows<SumOp, double>(
      ctx, v.rows, static_cast<int>(cols),
      [=] HD(int64_t r, int c) { return static_cast<double>(x[r * cols + c]); },
      [=] HD(int64_t r, double total) { mean[r] = static_cast<T>(total / cols); });
}

template <class T>
void Deviations(const Context& ctx, const MvnRows& v, const T* x, const T* mean, T* deviation) {
  const int64_t cols = v.cols;
  ReduceRows<SumOp, double>(
      ctx, v.rows, static_cast<int>(cols),
      [=] HD(int64_t r, int c) {
        const T difference = x[r * cols + c] - mean[r];
        return static_cast<double>(difference * difference);
      },
      [=] HD(int64_t r, double total) { deviation[r] = static_cast<T>(std::sqrt(total / cols)); });
}

template <class T>
void MvnForward(const Context& ctx, const MvnRows& v, const T* x, const T* mean, const T* deviation,
                T* y) {
  const int64_t cols = v.cols;
  const T eps = static_cast<T>(v.eps);
  const bool divides = v.divides != 0;
  ForEach(ctx, v.rows, static_cast<int>(cols), [=] HD(int64_t r, int c) {
    const T difference = x[r * cols + c] - mean[r];
    y[r * cols + c] = divides ? difference / (deviation[r] + eps) : difference;
  });
}

// dx = (dy - mean(dy) - y mean(dy y) (deviation + eps) / deviation) / (deviation + eps); where
// nothing divides, dy - mean(dy), which needs no y.
template <class T>
void MvnBackward(const Context& ctx, const MvnRows& v, const T* y, const T* dy, const T* deviation,
                 T* mean_dy, T* mean_dy_y, T* dx) {
  const int64_t cols = v.cols;
  const T eps = static_cast<T>(v.eps);
  const bool divides = v.divides != 0;
  Means(ctx, v, dy, mean_dy);
  const T* mean = mean_dy;
  if (!divides) {
    ForEach(ctx, v.rows, static_cast<int>(cols),
            [=] HD(int64_t r, int c) { dx[r * cols + c] = dy[r * cols + c] - mean[r]; });
    return;
  }
  ReduceRows<SumOp, double>(
      ctx, v.rows, static_cast<int>(cols),
      [=] HD(int64_t r, int c) { return static_cast<double>(dy[r * cols + c] * y[r * cols + c]); },
      [=] HD(int64_t r, double total) { mean_dy_y[r] = static_cast<T>(total / cols); });
  const T* slope = mean_dy_y;
  ForEach(ctx, v.rows, static_cast<int>(cols), [=] HD(int64_t r, int c) {
    const int64_t i = r * cols + c;
    const T centered = dy[i] - mean[r];
    const T divisor = deviation[r] + eps;
    // A row of equal values has no deviation, and y = 0.
    const T ratio = deviation[r] > 0 ? divisor / deviation[r] : T(1);
    dx[i] = (centered - y[i] * slope[r] * ratio) / divisor;
  });
}

class MvnLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_top_data = config().mvn_param().normalize_variance();
    traits.accepts_channels_last = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const proto::MVNParameter& param = config().mvn_param();
    const int axis = param.across_channels() ? 1 : 2;
    if (x.rank() < 2) {
      Fail("its bottom has shape ", x.ToString(), ", but needs at least 2 axes (N x C x ...)");
    }
    CheckRange(Title() + ": the number of values per mean of its bottom " + x.ToString(),
               x.CountFrom(axis), 0, std::numeric_limits<int>::max());
    rows_ = {x.Count(0, axis), x.CountFrom(axis), param.eps(), param.normalize_variance() ? 1 : 0};
    LayerPlan plan;
    plan.tops = {x};
    saved_.Begin(input);
    saved_.Save(Shape{rows_.rows}, &plan);
    saved_.Use(Shape{rows_.rows}, &plan);
    if (!input.runs_backward) return plan;
    const size_t means = 2 * static_cast<size_t>(rows_.rows) * SizeOf(input.dtype);
    plan.scratch_bytes = std::max(plan.scratch_bytes, means);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, Run<T>(ctx, *bottom[0], *top[0]));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      T* means = static_cast<T*>(ctx.Scratch(2 * static_cast<size_t>(rows_.rows) * sizeof(T)));
      MvnBackward<T>(ctx, rows_, top[0]->data<T>(), top[0]->diff<T>(),
                     saved_.Saved(states()).at<T>(kDeviations), means, means + rows_.rows,
                     bottom[0]->mutable_diff<T>());
    });
  }

 private:
  template <class T>
  void Run(Context& ctx, const Blob& bottom, const Blob& top) {
    const SavedForBackward::Pieces memory = saved_.Open(ctx, states());
    T* deviation = memory.at<T>(kDeviations);
    T* mean = memory.at<T>(kMeans);
    Means(ctx, rows_, bottom.data<T>(), mean);
    if (rows_.divides != 0) Deviations(ctx, rows_, bottom.data<T>(), mean, deviation);
    MvnForward(ctx, rows_, bottom.data<T>(), mean, deviation, top.mutable_data<T>());
  }

  static constexpr int kDeviations = 0, kMeans = 1;  // pieces

  MvnRows rows_ = {};
  SavedForBackward saved_;
};

CREMA_REGISTER_LAYER("MVN", MvnLayer);

}  // namespace
}  // namespace crema
