// Pooling by oneDNN, in channels-last: MAX and AVE. A maximum is above 0 where the value that it is
// is, so that MAX does the backward half of a ReLU before it on its few results.
#include <algorithm>
#include <optional>

#include "crema/dev/fusible.h"
#include "crema/dev/registry.h"
#include "engines/onednn/call.h"
#include "engines/onednn/primitives.h"
#include "layers/shared/elementwise/relu.h"
#include "layers/shared/vision/pooling_base.h"

namespace crema {
namespace {

// How far the last window reaches beyond the image.
int64_t PadRight(const PoolAxis& a) {
  return std::max<int64_t>(0, int64_t{a.out - 1} * a.stride + a.kernel - a.in - a.pad);
}

// Whether the last window begins behind the image: with a stride above the kernel's size.
bool EndsBehindImage(const PoolAxis& a) { return int64_t{a.out - 1} * a.stride - a.pad >= a.in; }

class OnednnPoolingLayer : public PoolingBase, public TakesReluBackward {
 public:
  using PoolingBase::PoolingBase;

  LayerTraits traits() const override {
    LayerTraits traits = PoolingBase::traits();
    traits.accepts_channels_last = traits.needs_channels_last = true;
    traits.backward_needs_top_data = relu_slope_.has_value();
    return traits;
  }

  bool TryTakeReluBackward(int, float slope) override {
    if (options().pool() != proto::PoolingParameter::MAX) return false;
    relu_slope_ = slope;
    return true;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& bottom = input.shape(0);
    LayerPlan plan = PoolingBase::Plan(input);
    plan.state.clear();
    plan.scratch_bytes = 0;
    if (input.layout == Layout::kPlain || bottom.count() == 0) return plan;
    runs_backward_ = input.runs_backward;
    const std::string why_not = MakeCalls(bottom, plan.tops[0].shape);
    if (!why_not.empty()) {
      Fail("engine ONEDNN cannot run with the input ", bottom.ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    plan.scratch_bytes = std::max(forward_.scratchpad_bytes(), backward_.scratchpad_bytes());
    if (workspace_bytes_ > 0) {
      const auto words = static_cast<int64_t>((workspace_bytes_ + 3) / 4);
      plan.state.push_back({Shape{words}, DType::kInt32});
    }
    return plan;
  }

  SavedPlan SavePlan() override {
    const auto restore = [this, sizes = sizes_, has_mask = has_mask_, saved = saved_,
                          runs_backward = runs_backward_, forward = forward_, backward = backward_,
                          workspace = workspace_bytes_] {
      sizes_ = sizes;
      has_mask_ = has_mask;
      saved_ = saved;
      runs_backward_ = runs_backward;
      forward_ = forward;
      backward_ = backward;
      workspace_bytes_ = workspace;
    };
    return {restore, onednn::kBytesOfPlan};
  }

  static std::string WhyNot(const EngineQuery& query) {
    if (query.input.dtype != DType::kFloat32) return "it supports float32 only";
    if (query.input.bottoms.empty() || query.input.shape(0).rank() != 4) {
      return "it needs a 4-axis input (N, C, H, W)";
    }
    if (query.input.shape(0).count() == 0) return "the batch is empty";
    if (query.config.top_size() > 1) return "it does not support a second top";
    OnednnPoolingLayer probe(query.config, query.input.phase);
    if (probe.options().pool() == proto::PoolingParameter::STOCHASTIC)
      return "it does not support STOCHASTIC";
    const LayerPlan plan = probe.PoolingBase::Plan(query.input);
    for (const PoolAxis& a : {probe.sizes_.h, probe.sizes_.w}) {
      if (a.stride <= a.kernel) continue;
      return "with some sizes it has no value for windows outside the image";
    }
    return probe.MakeCalls(query.input.shape(0), plan.tops[0].shape);
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (top[0]->count() == 0) return;
    forward_.Run({{DNNL_ARG_SRC, bottom[0]->data<float>()},
                  {DNNL_ARG_DST, top[0]->mutable_data<float>()},
                  {DNNL_ARG_WORKSPACE, Workspace()},
                  {DNNL_ARG_SCRATCHPAD, ctx.Scratch(forward_.scratchpad_bytes())}});
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0] || top[0]->count() == 0) return;
    if (relu_slope_) ReluOwnGradient<float>(ctx, *top[0], *relu_slope_);
    backward_.Run({{DNNL_ARG_DIFF_DST, top[0]->diff<float>()},
                   {DNNL_ARG_DIFF_SRC, bottom[0]->mutable_diff<float>()},
                   {DNNL_ARG_WORKSPACE, Workspace()},
                   {DNNL_ARG_SCRATCHPAD, ctx.Scratch(backward_.scratchpad_bytes())}});
  }

 private:
  const void* Workspace() const { return workspace_bytes_ > 0 ? state(0).raw() : nullptr; }

  // oneDNN divides by the part of a window that lies in the image, or by the whole of it; Caffe by
  // the part in the padded image.
  bool ChooseAlgorithm(dnnl::algorithm* algorithm) const {
    if (options().pool() == proto::PoolingParameter::MAX) {
      *algorithm = dnnl::algorithm::pooling_max;
      return true;
    }
    const bool padded = sizes_.h.pad > 0 || sizes_.w.pad > 0;
    *algorithm = padded ? dnnl::algorithm::pooling_avg_include_padding
                        : dnnl::algorithm::pooling_avg_exclude_padding;
    const auto overlaps = [](const PoolAxis& a) { return PadRight(a) > a.pad; };
    return !padded || (!overlaps(sizes_.h) && !overlaps(sizes_.w));
  }

  // Returns why oneDNN cannot, or "".
  std::string MakeCalls(const Shape& bottom, const Shape& top) {
    onednn::PoolingDesc d;
    if (EndsBehindImage(sizes_.h) || EndsBehindImage(sizes_.w))
      return "it has no value for windows outside the image";
    if (!ChooseAlgorithm(&d.algorithm))
      return "its divisor differs for windows that extend past the padding";
    d.src = onednn::ChannelsLast(bottom);
    d.dst = onednn::ChannelsLast(top);
    for (const PoolAxis& a : {sizes_.h, sizes_.w}) {
      d.strides.push_back(a.stride);
      d.kernel.push_back(a.kernel);
      d.pad_left.push_back(a.pad);
      d.pad_right.push_back(PadRight(a));
    }
    try {
      return MakeCalls(d);
    } catch (const dnnl::error& error) {
      return error.what();
    }
  }

  std::string MakeCalls(const onednn::PoolingDesc& d) {
    const dnnl::primitive_attr attr = onednn::CallerScratchpad();
    const auto forward = onednn::PoolingForward(d, runs_backward_, attr);
    std::string why_not = onednn::WhyNotUse(forward, "the forward pass");
    if (!why_not.empty()) return why_not;
    workspace_bytes_ = 0;
    if (!runs_backward_) {
      forward_ = {forward, {{DNNL_ARG_SRC, d.src}, {DNNL_ARG_DST, d.dst}}};
      backward_ = {};
      return "";
    }
    const auto backward = onednn::PoolingBackward(d, attr, forward);
    why_not = onednn::WhyNotUse(backward, "the gradient");
    if (!why_not.empty()) return why_not;
    const dnnl::memory::desc workspace = forward.workspace_desc();
    workspace_bytes_ = workspace.get_size();
    forward_ = {forward,
                {{DNNL_ARG_SRC, d.src}, {DNNL_ARG_DST, d.dst}, {DNNL_ARG_WORKSPACE, workspace}}};
    backward_ = {
        backward,
        {{DNNL_ARG_DIFF_SRC, d.src}, {DNNL_ARG_DIFF_DST, d.dst}, {DNNL_ARG_WORKSPACE, workspace}}};
    return "";
  }

  bool runs_backward_ = true;
  onednn::Call forward_, backward_;
  size_t workspace_bytes_ = 0;
  std::optional<float> relu_slope_;  // of the layer before
};

const EngineRegistration registration(
    "ONEDNN", "Pooling", DeviceKind::kCpu,
    [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
      return std::make_unique<OnednnPoolingLayer>(config, phase);
    },
    OnednnPoolingLayer::WhyNot);

}  // namespace
}  // namespace crema
