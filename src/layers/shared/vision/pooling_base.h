// What every implementation of Pooling has in common.
#pragma once

#include <algorithm>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/layer.h"
#include "layers/shared/saved_for_backward.h"
#include "layers/shared/vision/pooling.h"

namespace crema {
inline namespace CREMA_TARGET {

// The options and the shapes; what is left to a layer is how it runs.
class PoolingBase : public Layer {
 public:
  PoolingBase(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::PoolingParameter& p = options();
    if (p.global_pooling()) {
      if (p.has_kernel_size() || p.has_kernel_h() || p.has_kernel_w()) {
        Fail("global_pooling uses the whole image as its window; remove the kernel size");
      }
    } else if (p.has_kernel_size() == (p.has_kernel_h() && p.has_kernel_w())) {
      Fail("set either kernel_size, or both kernel_h and kernel_w");
    }
    CheckRounding();
    CheckPair("pad", p.has_pad(), p.has_pad_h(), p.has_pad_w());
    CheckPair("stride", p.has_stride(), p.has_stride_h(), p.has_stride_w());
    ReadAxis(p.has_kernel_size() ? p.kernel_size() : p.kernel_h(),
             p.has_stride_h() ? p.stride_h() : p.stride(), p.has_pad_h() ? p.pad_h() : p.pad(),
             &sizes_.h);
    ReadAxis(p.has_kernel_size() ? p.kernel_size() : p.kernel_w(),
             p.has_stride_h() ? p.stride_w() : p.stride(), p.has_pad_h() ? p.pad_w() : p.pad(),
             &sizes_.w);
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.max_tops = options().pool() == proto::PoolingParameter::MAX ? 2 : 1;
    traits.has_backward =
        options().pool() != proto::PoolingParameter::STOCHASTIC || SelectsPixels();
    traits.is_per_sample = traits.forward_is_reentrant = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& bottom = input.shape(0);
    if (bottom.rank() != 4) {
      Fail("the input ", bottom.ToString(), " has ", bottom.rank(),
           " axes, but must have 4 (N, C, H, W)");
    }
    // Positions within a plane are counted in 32 bits.
    CheckRange(Title() + ": the number of pixels of an image of the input " + bottom.ToString(),
               bottom.CountFrom(2), 1, int64_t{1} << 30);
    sizes_.planes = bottom.Count(0, 2);
    SetImage(bottom[2], &sizes_.h);
    SetImage(bottom[3], &sizes_.w);
    if (sizes_.h.out < 1 || sizes_.w.out < 1) {
      Fail("no window of ", sizes_.h.kernel, " x ", sizes_.w.kernel, " fits into the input ",
           bottom.ToString(), "; use a larger input or a smaller kernel_size");
    }
    const Shape top{bottom[0], bottom[1], sizes_.h.out, sizes_.w.out};
    LayerPlan plan;
    plan.tops.assign(std::max(1, config().top_size()), top);
    saved_.Begin(input);
    has_mask_ = SelectsPixels() && (input.runs_backward || config().top_size() > 1);
    if (has_mask_) saved_.Save({top, DType::kInt32}, &plan);
    return plan;
  }

 protected:
  const proto::PoolingParameter& options() const { return config().pooling_param(); }

  // Whether each value is that of a pixel, so that its gradient goes there.
  bool SelectsPixels() const {
    return options().pool() == proto::PoolingParameter::MAX ||
           (options().pool() == proto::PoolingParameter::STOCHASTIC && phase() == Phase::kTrain);
  }

  PoolSizes sizes_;
  // Which pixel each window took: piece 0, if somebody wants to know.
  bool has_mask_ = false;
  SavedForBackward saved_;

 private:
  void CheckPair(const char* field, bool once, bool h, bool w) const {
    if (!((!once && h && w) || (!h && !w))) {
      Fail("set either ", field, ", or both ", field, "_h and ", field, "_w");
    }
  }

  void ReadAxis(uint32_t kernel, uint32_t stride, uint32_t pad, PoolAxis* a) const {
    constexpr int64_t kMost = 1 << 24;
    const bool global = options().global_pooling();
    CheckRange(Title() + ": stride", stride, 1, kMost);
    if (global && (pad != 0 || stride != 1)) {
      Fail("global_pooling uses the whole image as its window; remove pad and stride");
    }
    if (!global) CheckRange(Title() + ": kernel_size", kernel, 1, kMost);
    if (pad > 0 && options().pool() == proto::PoolingParameter::STOCHASTIC) {
      Fail("pool: STOCHASTIC does not support padding, but pad is ", pad);
    }
    if (!global)
      CheckRange(Title() + ": pad", pad, 0, int64_t{kernel} - 1, "it must be below kernel_size");
    a->kernel = static_cast<int>(kernel);
    a->stride = static_cast<int>(stride);
    a->pad = static_cast<int>(pad);
  }

  void SetImage(int64_t in, PoolAxis* a) const {
    a->in = static_cast<int>(in);
    if (options().global_pooling()) a->kernel = a->in;
    a->out = CountWindows(*a, RoundsUp());
  }

  // Three fields say the same in the words of different forks.
  void CheckRounding() const {
    const proto::PoolingParameter& p = options();
    const bool mode = p.round_mode() == proto::PoolingParameter::CEIL;
    const bool up = RoundsUp();
    if ((p.has_round_mode() && mode != up) || (p.has_ceil_mode() && p.ceil_mode() != up) ||
        (p.has_torch_pooling() && p.torch_pooling() == up)) {
      Fail("round_mode, ceil_mode and torch_pooling contradict each other; set only one of them");
    }
  }

  bool RoundsUp() const {
    const proto::PoolingParameter& p = options();
    if (p.has_round_mode()) return p.round_mode() == proto::PoolingParameter::CEIL;
    return p.has_ceil_mode() ? p.ceil_mode() : !p.torch_pooling();
  }
};

}  // namespace CREMA_TARGET
}  // namespace crema
