// SPP: pooling over 1 x 1, 2 x 2, 4 x 4 ... windows, the results side by side, so that images of
// any size give vectors of one length. He, Zhang, Ren, Sun: "Spatial pyramid pooling in deep
// convolutional networks for visual recognition", 2014.
#include "base/checked.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/shape/copy_block.h"
#include "layers/shared/vision/pooling.h"

namespace crema {
namespace {

// Windows that cover `in` pixels in `bins` parts, with as much padding as that needs.
PoolAxis PyramidAxis(int64_t in, int bins) {
  PoolAxis a;
  a.in = static_cast<int>(in);
  a.kernel = (a.in + bins - 1) / bins;
  a.stride = a.kernel;
  a.pad = (a.kernel * bins - a.in + 1) / 2;
  a.out = CountWindows(a, true);
  return a;
}

template <class T>
void AddTo(const Context& ctx, int64_t count, const T* from, T* to) {
  ForEach(ctx, count, [=] HD(int64_t i) { to[i] += from[i]; });
}

class SppLayer : public Layer {
 public:
  SppLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::SPPParameter& param = config.spp_param();
    CheckGiven(Title() + ": pyramid_height", param.has_pyramid_height(), param.pyramid_height(), 1,
               16);
    if (param.pool() == proto::SPPParameter::STOCHASTIC) {
      Fail(
          "pool: STOCHASTIC does not support padding, which the levels of a pyramid need; use MAX "
          "or AVE");
    }
  }

  LayerTraits traits() const override { return LayerTraits::WithoutValues(); }

  // States: for each level of MAX the pixels taken. A level's results, and in Backward also the
  // gradient that it gives, lie in scratch memory.
  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    if (x.rank() != 4) {
      Fail("the input ", x.ToString(), " has ", x.rank(), " axes, but must have 4 (N, C, H, W)");
    }
    CheckRange(Title() + ": the number of pixels of an image of the input " + x.ToString(),
               x.CountFrom(2), 1, int64_t{1} << 30);
    LayerPlan plan;
    saves_ = input.runs_backward && is_max();
    items_ = x[0];
    max_results_ = 0;
    int64_t bins = 0;
    levels_.clear();
    for (uint32_t level = 0; level < config().spp_param().pyramid_height(); ++level) {
      const Shape result = AddLevel(x, level);
      if (saves_) plan.state.push_back({result, DType::kInt32});
      max_results_ = std::max(max_results_, result.count());
      bins += result.CountFrom(2);
      plan.tops = {result};
    }
    if (levels_.size() > 1) {
      plan.tops = {Shape{x[0], CheckedProduct(x[1], bins, Title() + ": its result")}};
    }
    const int64_t part = input.runs_backward && levels_.size() > 1 ? x.count() : 0;
    plan.scratch_bytes = static_cast<size_t>(max_results_ + part) * SizeOf(input.dtype);
    scratch_bytes_ = plan.scratch_bytes;
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* x = bottom[0]->data<T>();
      T* y = static_cast<T*>(ctx.Scratch(scratch_bytes_));
      T* to = top[0]->mutable_data<T>();
      for (size_t l = 0; l < levels_.size(); ++l) {
        if (is_max()) {
          MaxForward(ctx, levels_[l], x, y, Mask(l));
        } else {
          AverageForward(ctx, levels_[l], x, y);
        }
        const int64_t cols = ResultsOfItem(l);
        CopyBlock<T>(ctx, items_, static_cast<int>(cols), y, cols, to, TopLength(*top[0]));
        to += cols;
      }
    });
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* from = top[0]->diff<T>();
      T* dx = bottom[0]->mutable_diff<T>();
      T* dy = static_cast<T*>(ctx.Scratch(scratch_bytes_));
      for (size_t l = 0; l < levels_.size(); ++l) {
        const int64_t cols = ResultsOfItem(l);
        CopyBlock<T>(ctx, items_, static_cast<int>(cols), from, TopLength(*top[0]), dy, cols);
        from += cols;
        T* part = l == 0 ? dx : dy + max_results_;
        if (is_max()) {
          MaskBackward(ctx, levels_[l], dy, Mask(l), part);
        } else {
          AverageBackward(ctx, levels_[l], dy, part);
        }
        if (l > 0) AddTo(ctx, bottom[0]->count(), part, dx);
      }
    });
  }

 private:
  bool is_max() const { return config().spp_param().pool() == proto::SPPParameter::MAX; }
  int32_t* Mask(size_t level) const {
    return saves_ ? state(static_cast<int>(level)).mutable_data<int32_t>() : nullptr;
  }
  int64_t ResultsOfItem(size_t level) const {
    const PoolSizes& s = levels_[level];
    return items_ == 0 ? 0 : s.planes / items_ * s.h.out * s.w.out;
  }
  static int64_t TopLength(const Blob& top) { return top.shape().CountFrom(1); }

  // The shape of its results.
  Shape AddLevel(const Shape& x, uint32_t level) {
    PoolSizes sizes;
    sizes.planes = x.Count(0, 2);
    sizes.h = PyramidAxis(x[2], 1 << level);
    sizes.w = PyramidAxis(x[3], 1 << level);
    CheckLevel(x, sizes, level);
    levels_.push_back(sizes);
    return {x[0], x[1], sizes.h.out, sizes.w.out};
  }

  void CheckLevel(const Shape& x, const PoolSizes& s, uint32_t level) const {
    if (s.h.pad < s.h.kernel && s.w.pad < s.w.kernel) return;
    Fail("the images of the input ", x.ToString(), " are too small for the ", 1 << level, " x ",
         1 << level, " windows of level ", level, "; use a lower pyramid_height");
  }

  std::vector<PoolSizes> levels_;
  int64_t items_ = 0, max_results_ = 0;  // of a level
  size_t scratch_bytes_ = 0;
  bool saves_ = false;  // the pixels
};

CREMA_REGISTER_LAYER("SPP", SppLayer);

}  // namespace
}  // namespace crema
