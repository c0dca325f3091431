// SPP: pooling over 1 x 1, 2 x 2, 4 x 4 ... windows, the results side by side, so that images of
// any size give vectors of one length. He, Zhang, Ren, Sun: "Spatial pyramid pooling in deep
// convolutional networks for visual recognition", 2014.
#include "base/checked.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "layers/shared/copy_block.h"
#include "layers/shared/pooling.h"

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

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_top_data = false;
    return traits;
  }

  // States: for each level the results and, for MAX, the pixels taken; last a gradient.
  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    const Shape& x = bottoms[0];
    if (x.rank() != 4) {
      Fail("the input ", x.ToString(), " has ", x.rank(), " axes, but must have 4 (N, C, H, W)");
    }
    CheckRange(Title() + ": the number of pixels of an image of the input " + x.ToString(),
               x.CountFrom(2), 1, int64_t{1} << 30);
    LayerPlan plan;
    int64_t bins = 0;
    levels_.clear();
    for (uint32_t level = 0; level < config().spp_param().pyramid_height(); ++level) {
      PoolSizes sizes;
      sizes.planes = x.Count(0, 2);
      sizes.h = PyramidAxis(x[2], 1 << level);
      sizes.w = PyramidAxis(x[3], 1 << level);
      CheckLevel(x, sizes, level);
      const Shape result{x[0], x[1], sizes.h.out, sizes.w.out};
      plan.state.push_back({result, {}});
      if (is_max()) plan.state.push_back({result, DType::kInt32});
      levels_.push_back(sizes);
      bins += int64_t{sizes.h.out} * sizes.w.out;
    }
    plan.state.push_back({levels_.size() > 1 ? x : Shape{0}, {}});
    plan.tops = {levels_.size() > 1
                     ? Shape{x[0], CheckedProduct(x[1], bins, Title() + ": its result")}
                     : plan.state[0].shape};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      T* to = top[0]->mutable_data<T>();
      for (size_t l = 0; l < levels_.size(); ++l) {
        const T* x = bottom[0]->data<T>();
        T* y = Result(l).template mutable_data<T>();
        if (is_max()) {
          MaxForward(ctx, levels_[l], x, y, Mask(l).template mutable_data<int32_t>());
        } else {
          AverageForward(ctx, levels_[l], x, y);
        }
        const int64_t cols = Result(l).shape().CountFrom(1);
        CopyBlock<T>(ctx, Items(), static_cast<int>(cols), y, cols, to, TopLength(*top[0]));
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
      for (size_t l = 0; l < levels_.size(); ++l) {
        T* dy = Result(l).template mutable_data<T>();  // the results are not needed any more
        const int64_t cols = Result(l).shape().CountFrom(1);
        CopyBlock<T>(ctx, Items(), static_cast<int>(cols), from, TopLength(*top[0]), dy, cols);
        from += cols;
        T* part = l == 0 ? dx : state(LastState()).template mutable_data<T>();
        if (is_max()) {
          MaskBackward(ctx, levels_[l], dy, Mask(l).template data<int32_t>(), part);
        } else {
          AverageBackward(ctx, levels_[l], dy, part);
        }
        if (l > 0) AddTo(ctx, bottom[0]->count(), part, dx);
      }
    });
  }

 private:
  bool is_max() const { return config().spp_param().pool() == proto::SPPParameter::MAX; }
  int StatesOfLevel() const { return is_max() ? 2 : 1; }
  const Tensor& Result(size_t level) const {
    return state(static_cast<int>(level) * StatesOfLevel());
  }
  const Tensor& Mask(size_t level) const {
    return state(static_cast<int>(level) * StatesOfLevel() + 1);
  }
  int LastState() const { return static_cast<int>(levels_.size()) * StatesOfLevel(); }
  int64_t Items() const { return Result(0).shape()[0]; }
  static int64_t TopLength(const Blob& top) { return top.shape().CountFrom(1); }

  void CheckLevel(const Shape& x, const PoolSizes& s, uint32_t level) const {
    if (s.h.pad < s.h.kernel && s.w.pad < s.w.kernel) return;
    Fail("the images of the input ", x.ToString(), " are too small for the ", 1 << level, " x ",
         1 << level, " windows of level ", level, "; use a lower pyramid_height");
  }

  std::vector<PoolSizes> levels_;
};

CREMA_REGISTER_LAYER("SPP", SppLayer);

}  // namespace
}  // namespace crema
