// MVN: each channel of each item (or each item, with across_channels) less its mean, divided by its
// standard deviation + eps.
#include <cmath>
#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/reduce.h"
#include "layers/shared/notes.h"

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
void Normalize(const Context& ctx, const MvnRows& v, const T* x, const T* mean, const T* deviation,
               T* y) {
  const int64_t cols = v.cols;
  const T eps = static_cast<T>(v.eps);
  const bool divides = v.divides != 0;
  ForEach(ctx, v.rows, static_cast<int>(cols), [=] HD(int64_t r, int c) {
    const T difference = x[r * cols + c] - mean[r];
    y[r * cols + c] = divides ? difference / (deviation[r] + eps) : difference;
  });
}

// dx = (dy - mean(dy) - y mean(dy y) (deviation + eps) / deviation) / (deviation + eps).
template <class T>
void MvnBackward(const Context& ctx, const MvnRows& v, const T* y, const T* dy, const T* deviation,
                 T* mean_dy, T* mean_dy_y, T* dx) {
  const int64_t cols = v.cols;
  const T eps = static_cast<T>(v.eps);
  const bool divides = v.divides != 0;
  Means(ctx, v, dy, mean_dy);
  ReduceRows<SumOp, double>(
      ctx, v.rows, static_cast<int>(cols),
      [=] HD(int64_t r, int c) { return static_cast<double>(dy[r * cols + c] * y[r * cols + c]); },
      [=] HD(int64_t r, double total) { mean_dy_y[r] = static_cast<T>(total / cols); });
  const T* mean = mean_dy;
  const T* slope = mean_dy_y;
  ForEach(ctx, v.rows, static_cast<int>(cols), [=] HD(int64_t r, int c) {
    const int64_t i = r * cols + c;
    const T centered = dy[i] - mean[r];
    const T divisor = deviation[r] + eps;
    // A row of equal values has no deviation, and y = 0.
    const T ratio = deviation[r] > 0 ? divisor / deviation[r] : T(1);
    dx[i] = divides ? (centered - y[i] * slope[r] * ratio) / divisor : centered;
  });
}

class MvnLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.may_run_in_place = true;
    traits.backward_needs_bottom_data = false;
    traits.treats_images_apart = true;
    traits.forward_is_reentrant = true;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType dtype) override {
    const Shape& x = bottoms[0];
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
    plan.state = {{Shape{3, rows_.rows}, {}}};  // deviations, and two means
    PlanNotes(phase(), dtype, &plan);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, Run<T>(ctx, *bottom[0], *top[0]));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      T* deviations = state(0).mutable_data<T>();
      T* means = deviations + rows_.rows;
      MvnBackward<T>(ctx, rows_, top[0]->data<T>(), top[0]->diff<T>(), deviations, means,
                     means + rows_.rows, bottom[0]->mutable_diff<T>());
    });
  }

 private:
  template <class T>
  void Run(Context& ctx, const Blob& bottom, const Blob& top) {
    T* deviation = Notes<T>(ctx, phase(), top, state(0));
    T* mean = deviation + rows_.rows;
    Means(ctx, rows_, bottom.data<T>(), mean);
    if (rows_.divides != 0) Deviations(ctx, rows_, bottom.data<T>(), mean, deviation);
    Normalize(ctx, rows_, bottom.data<T>(), mean, deviation, top.mutable_data<T>());
  }

  MvnRows rows_ = {};
};

CREMA_REGISTER_LAYER("MVN", MvnLayer);

}  // namespace
}  // namespace crema
