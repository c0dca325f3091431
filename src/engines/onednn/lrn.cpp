// LRN across channels by oneDNN, in channels-last.
#include <algorithm>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "engines/onednn/call.h"
#include "engines/onednn/primitives.h"

namespace crema {
namespace {

class OnednnLrnLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = traits.needs_channels_last = true;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    LayerPlan plan;
    plan.tops = {bottoms[0]};
    if (layout() == Layout::kPlain || bottoms[0].count() == 0) return plan;
    const std::string why_not = MakeCalls(bottoms[0]);
    if (!why_not.empty()) {
      Fail("engine ONEDNN cannot take the input ", bottoms[0].ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    plan.scratch_bytes = std::max(forward_.scratchpad_bytes(), backward_.scratchpad_bytes());
    if (workspace_bytes_ > 0) {
      const auto words = static_cast<int64_t>((workspace_bytes_ + 3) / 4);
      plan.state.push_back({Shape{words}, DType::kInt32});
    }
    return plan;
  }

  static std::string WhyNot(const EngineQuery& query) {
    const proto::LRNParameter& p = query.config.lrn_param();
    if (query.dtype != DType::kFloat32) return "it has float32 only";
    if (p.norm_region() == proto::LRNParameter::WITHIN_CHANNEL) return "it has no WITHIN_CHANNEL";
    if (query.bottoms.empty() || query.bottoms[0].rank() != 4) return "it wants images";
    if (query.bottoms[0].count() == 0) return "the batch is empty";
    // Its code for other sizes is slow, or, in version 2.6, wrong.
    if (p.local_size() != 5) return "it has fast code for local_size: 5 only";
    if (query.bottoms[0][1] % 16 != 0) return "it wants a multiple of 16 channels";
    return OnednnLrnLayer(query.config, query.phase).MakeCalls(query.bottoms[0]);
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
    backward_.Run({{DNNL_ARG_SRC, bottom[0]->data<float>()},
                   {DNNL_ARG_DIFF_DST, top[0]->diff<float>()},
                   {DNNL_ARG_DIFF_SRC, bottom[0]->mutable_diff<float>()},
                   {DNNL_ARG_WORKSPACE, Workspace()},
                   {DNNL_ARG_SCRATCHPAD, ctx.Scratch(backward_.scratchpad_bytes())}});
  }

 private:
  const void* Workspace() const { return workspace_bytes_ > 0 ? state(0).raw() : nullptr; }

  std::string MakeCalls(const Shape& bottom) {
    const proto::LRNParameter& p = config().lrn_param();
    onednn::LrnDesc d;
    d.data = onednn::ChannelsLast(bottom);
    d.size = static_cast<int>(p.local_size());
    d.alpha = p.alpha();
    d.beta = p.beta();
    d.k = p.k();
    try {
      return MakeCalls(d);
    } catch (const dnnl::error& error) {
      return error.what();
    }
  }

  std::string MakeCalls(const onednn::LrnDesc& d) {
    const dnnl::primitive_attr attr = onednn::CallerScratchpad();
    const auto forward = onednn::LrnForward(d, true, attr);
    std::string why_not = onednn::WhyNotUse(forward, "the forward pass");
    if (!why_not.empty()) return why_not;
    const auto backward = onednn::LrnBackward(d, attr, forward);
    why_not = onednn::WhyNotUse(backward, "the gradient");
    if (!why_not.empty()) return why_not;
    const dnnl::memory::desc workspace = forward.workspace_desc();
    workspace_bytes_ = workspace.get_size();
    forward_ = {forward,
                {{DNNL_ARG_SRC, d.data}, {DNNL_ARG_DST, d.data}, {DNNL_ARG_WORKSPACE, workspace}}};
    backward_ = {backward,
                 {{DNNL_ARG_SRC, d.data},
                  {DNNL_ARG_DIFF_DST, d.data},
                  {DNNL_ARG_DIFF_SRC, d.data},
                  {DNNL_ARG_WORKSPACE, workspace}}};
    return "";
  }

  onednn::Call forward_, backward_;
  size_t workspace_bytes_ = 0;
};

const EngineRegistration registration(
    "ONEDNN", "LRN", DeviceKind::kCpu,
    [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
      return std::make_unique<OnednnLrnLayer>(config, phase);
    },
    OnednnLrnLayer::WhyNot);

}  // namespace
}  // namespace crema
