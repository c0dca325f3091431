// LRN across channels by oneDNN, in channels-last. What oneDNN would keep for the backward pass is
// twice the size of the values; it is computed again for one image at a time.
#include <algorithm>
#include <vector>

#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "engines/onednn/call.h"
#include "engines/onednn/primitives.h"

namespace crema {
namespace {

class OnednnLrnLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::PerSample();
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = traits.needs_channels_last = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& bottom = input.shape(0);
    LayerPlan plan;
    plan.tops = {bottom};
    if (input.layout == Layout::kPlain || bottom.count() == 0) return plan;
    runs_backward_ = input.runs_backward;
    const std::string why_not = MakeCalls(bottom);
    if (!why_not.empty()) {
      Fail("engine ONEDNN cannot run with the input ", bottom.ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    const size_t backward = runs_backward_ ? BackwardScratchBytes() : 0;
    plan.scratch_bytes = std::max(forward_.scratchpad_bytes(), backward);
    return plan;
  }

  SavedPlan SavePlan() override {
    const auto restore = [this, runs_backward = runs_backward_, forward = forward_,
                          image_forward = image_forward_, image_backward = image_backward_,
                          workspace = workspace_bytes_, result = result_bytes_] {
      runs_backward_ = runs_backward;
      forward_ = forward;
      image_forward_ = image_forward;
      image_backward_ = image_backward;
      workspace_bytes_ = workspace;
      result_bytes_ = result;
    };
    return {restore, onednn::kBytesOfPlan};
  }

  static std::string WhyNot(const EngineQuery& query) {
    const proto::LRNParameter& p = query.config.lrn_param();
    if (query.input.dtype != DType::kFloat32) return "it supports float32 only";
    if (p.norm_region() == proto::LRNParameter::WITHIN_CHANNEL) {
      return "it does not support WITHIN_CHANNEL";
    }
    if (query.input.bottoms.empty() || query.input.shape(0).rank() != 4) {
      return "it needs a 4-axis input (N, C, H, W)";
    }
    if (query.input.shape(0).count() == 0) return "the batch is empty";
    // Its code for other sizes is slow, or, in version 2.6, wrong.
    if (p.local_size() != 5) return "it is fast only for local_size: 5";
    if (query.input.shape(0)[1] % 16 != 0) return "it needs a multiple of 16 channels";
    return OnednnLrnLayer(query.config, query.input.phase).MakeCalls(query.input.shape(0));
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (top[0]->count() == 0) return;
    forward_.Run({{DNNL_ARG_SRC, bottom[0]->data<float>()},
                  {DNNL_ARG_DST, top[0]->mutable_data<float>()},
                  {DNNL_ARG_SCRATCHPAD, ctx.Scratch(forward_.scratchpad_bytes())}});
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0] || top[0]->count() == 0) return;
    const Shape& shape = bottom[0]->shape();
    const int64_t image = shape.CountFrom(1);
    char* workspace = static_cast<char*>(ctx.Scratch(BackwardScratchBytes()));
    char* result = workspace + workspace_bytes_;
    char* scratchpad = result + ImageBytes(shape);
    for (int64_t i = 0; i < shape[0]; ++i) {
      const float* x = bottom[0]->data<float>() + i * image;
      image_forward_.Run({{DNNL_ARG_SRC, x},
                          {DNNL_ARG_DST, result},
                          {DNNL_ARG_WORKSPACE, workspace},
                          {DNNL_ARG_SCRATCHPAD, scratchpad}});
      image_backward_.Run({{DNNL_ARG_SRC, x},
                           {DNNL_ARG_DIFF_DST, top[0]->diff<float>() + i * image},
                           {DNNL_ARG_DIFF_SRC, bottom[0]->mutable_diff<float>() + i * image},
                           {DNNL_ARG_WORKSPACE, workspace},
                           {DNNL_ARG_SCRATCHPAD, scratchpad}});
    }
  }

 private:
  static size_t ImageBytes(const Shape& shape) {
    return onednn::AlignUp(static_cast<size_t>(shape.CountFrom(1)) * sizeof(float));
  }
  size_t BackwardScratchBytes() const {
    return workspace_bytes_ + result_bytes_ +
           std::max(image_forward_.scratchpad_bytes(), image_backward_.scratchpad_bytes());
  }

  std::string MakeCalls(const Shape& bottom) {
    const proto::LRNParameter& p = config().lrn_param();
    onednn::LrnDesc d;
    d.size = static_cast<int>(p.local_size());
    d.alpha = p.alpha();
    d.beta = p.beta();
    d.k = p.k();
    std::vector<int64_t> image = bottom.dims();
    image[0] = 1;
    result_bytes_ = ImageBytes(bottom);
    try {
      return MakeCalls(d, onednn::ChannelsLast(bottom), onednn::ChannelsLast(Shape(image)));
    } catch (const dnnl::error& error) {
      return error.what();
    }
  }

  std::string MakeCalls(onednn::LrnDesc d, const dnnl::memory::desc& all,
                        const dnnl::memory::desc& image) {
    const dnnl::primitive_attr attr = onednn::CallerScratchpad();
    d.data = all;
    const auto forward = onednn::LrnForward(d, false, attr);
    const std::string why_not = onednn::WhyNotUse(forward, "the forward pass");
    if (!why_not.empty()) return why_not;
    forward_ = {forward, {{DNNL_ARG_SRC, all}, {DNNL_ARG_DST, all}}};
    d.data = image;
    return runs_backward_ ? MakeImageCalls(d, attr) : "";
  }

  std::string MakeImageCalls(const onednn::LrnDesc& d, const dnnl::primitive_attr& attr) {
    const dnnl::memory::desc& image = d.data;
    const auto again = onednn::LrnForward(d, true, attr);
    std::string why_not = onednn::WhyNotUse(again, "the forward pass");
    if (!why_not.empty()) return why_not;
    const auto backward = onednn::LrnBackward(d, attr, again);
    why_not = onednn::WhyNotUse(backward, "the gradient");
    if (!why_not.empty()) return why_not;
    const dnnl::memory::desc workspace = again.workspace_desc();
    workspace_bytes_ = onednn::AlignUp(workspace.get_size());
    image_forward_ = {
        again, {{DNNL_ARG_SRC, image}, {DNNL_ARG_DST, image}, {DNNL_ARG_WORKSPACE, workspace}}};
    image_backward_ = {backward,
                       {{DNNL_ARG_SRC, image},
                        {DNNL_ARG_DIFF_DST, image},
                        {DNNL_ARG_DIFF_SRC, image},
                        {DNNL_ARG_WORKSPACE, workspace}}};
    return "";
  }

  bool runs_backward_ = true;
  onednn::Call forward_, image_forward_, image_backward_;
  size_t workspace_bytes_ = 0, result_bytes_ = 0;  // of an image
};

const EngineRegistration registration(
    "ONEDNN", "LRN", DeviceKind::kCpu,
    [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
      return std::make_unique<OnednnLrnLayer>(config, phase);
    },
    OnednnLrnLayer::WhyNot);

}  // namespace
}  // namespace crema
