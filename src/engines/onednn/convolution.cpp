// Convolution by oneDNN, in channels-last. Weights and their gradients stay in Caffe's order; the
// order that the kernels like is made from it for each pass, or, where nothing learns, whenever
// the weights have changed. Layers that follow may become a part of it (epilogue.h).
#include "layers/shared/convolution.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "crema/layer/registry.h"
#include "engines/onednn/call.h"
#include "engines/onednn/epilogue.h"
#include "engines/onednn/primitives.h"
#include "layers/shared/relu.h"

namespace crema {
namespace {

using dnnl::memory;

// Everything that follows from the shapes. Packed: in the order that the kernel likes.
struct ConvolutionCalls {
  onednn::Call pack_forward, forward;
  onednn::Call pack_backward, backward_data;
  onednn::Call backward_weights, add_weights;
  size_t packed_forward = 0, packed_backward = 0, packed_gradient = 0;  // bytes; 0: Caffe's order
};

// The description of the pass; weights in any order.
onednn::ConvolutionDesc Describe(const ConvSizes& s, const Shape& bottom, const Shape& top,
                                 const Shape& weights, bool has_bias) {
  onednn::ConvolutionDesc d;
  d.src = onednn::ChannelsLast(bottom);
  d.dst = onednn::ChannelsLast(top);
  d.weights = onednn::AnyOrder(weights, s.groups);
  if (has_bias) d.bias = onednn::Plain(Shape{s.outputs});
  const ConvGeometry& g = s.geometry;
  for (int a = 0; a < g.axes; ++a) {
    d.strides.push_back(g.stride[a]);
    d.dilations.push_back(g.dilation[a] - 1);
    d.pad_left.push_back(g.pad[a]);
    d.pad_right.push_back(g.pad[a]);
  }
  return d;
}

class OnednnConvolutionLayer : public ConvolutionBase, public Fusible {
 public:
  using ConvolutionBase::ConvolutionBase;

  LayerTraits traits() const override {
    LayerTraits traits = ConvolutionBase::traits();
    traits.accepts_channels_last = traits.needs_channels_last = true;
    traits.backward_needs_top_data = epilogue_.HasRelu() && !reader_does_relu_;
    return traits;
  }

  // Where the kernel that does the convolution alone does both.
  bool Absorb(const Follower& next) override {
    if (layout() == Layout::kPlain || sizes_.images == 0 || !epilogue_.Takes(next)) return false;
    onednn::Epilogue both = epilogue_;
    both.Take(*next.layer);
    const std::string kernel = KernelName(epilogue_);
    if (kernel.empty() || KernelName(both) != kernel) return false;
    epilogue_ = both;
    return true;
  }

  void BindFollower(const Layer& follower, const BlobList& params,
                    const std::vector<bool>&) override {
    epilogue_.BindParams(follower, params);
  }

  std::optional<float> ReluOfGradient() const override {
    return epilogue_.HasRelu() ? std::optional<float>(epilogue_.Slope()) : std::nullopt;
  }
  void LeaveReluToReader() override { reader_does_relu_ = true; }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType dtype) override {
    CheckBottoms(bottoms);
    sizes_ = ConvolutionSizes(bottoms[0], ChannelAxis(options(), bottoms[0], Title()), dtype);
    pairs_ = static_cast<int>(bottoms.size());
    LayerPlan plan = PlanFor(bottoms, 1, sizes_.geometry.out, sizes_, dtype);
    plan.scratch_bytes = 0;
    bottom_ = bottoms[0];
    top_ = plan.tops[0];
    weights_ = plan.params[0].shape;
    if (layout() == Layout::kPlain || sizes_.images == 0) return plan;
    const std::string why_not = MakeCalls();
    if (!why_not.empty()) {
      Fail("engine ONEDNN cannot take the input ", bottoms[0].ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    plan.scratch_bytes = ScratchBytes();
    if (KeepsWeights()) {
      plan.state.push_back({Shape{static_cast<int64_t>(KeptBytes() / sizeof(float))}, {}});
      plan.state.push_back({Shape{sizes_.outputs}, {}});
    }
    return plan;
  }

  // As Plan would say it.
  static std::string WhyNot(const EngineQuery& query) {
    if (query.dtype != DType::kFloat32) return "it has float32 only";
    if (query.bottoms.empty()) return "there is no bottom";
    const Shape& bottom = query.bottoms[0];
    if (bottom.rank() < 3 || bottom.rank() > 5) return "it wants 1 to 3 spatial axes";
    OnednnConvolutionLayer probe(query.config, query.phase);
    if (ChannelAxis(probe.options(), bottom, probe.Title()) != 1) return "it wants axis: 1";
    probe.Plan(query.bottoms, query.dtype);
    return probe.sizes_.images == 0 ? "the batch is empty" : probe.MakeCalls();
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (sizes_.images == 0) return;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    const float* weights = param(0).data<float>();
    const float* bias = Bias<float>();
    char* scratchpad = scratch;
    if (KeepsWeights()) {
      KeepWeights(scratch);
      weights = state(0).data<float>();
      if (epilogue_.ChangesWeights()) bias = state(1).data<float>();
    } else if (calls_.packed_forward > 0) {
      weights = Pack(&calls_.pack_forward, weights, scratch);
      scratchpad = scratch + calls_.packed_forward;
    }
    for (size_t i = 0; i < bottom.size(); ++i) {
      calls_.forward.Run({{DNNL_ARG_SRC, bottom[i]->data<float>()},
                          {DNNL_ARG_WEIGHTS, weights},
                          {DNNL_ARG_BIAS, bias},
                          {DNNL_ARG_DST, top[i]->mutable_data<float>()},
                          {DNNL_ARG_SCRATCHPAD, scratchpad}});
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (sizes_.images == 0) return;
    const bool has_bias = params().size() > 1;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    if (epilogue_.HasRelu() && !reader_does_relu_) {
      ReluOwnGradient<float>(ctx, *top[0], epilogue_.Slope());
    }
    for (size_t i = 0; i < top.size(); ++i) {
      const float* dy = top[i]->diff<float>();
      if (wants_gradient(0) || (has_bias && wants_gradient(1))) {
        WeightGradients(ctx, bottom[i]->data<float>(), dy, scratch);
      }
    }
    if (std::none_of(propagate_down.begin(), propagate_down.end(), [](bool p) { return p; }))
      return;
    const float* weights = param(0).data<float>();
    if (calls_.packed_backward > 0) weights = Pack(&calls_.pack_backward, weights, scratch);
    for (size_t i = 0; i < top.size(); ++i) {
      if (!propagate_down[i]) continue;
      calls_.backward_data.Run({{DNNL_ARG_DIFF_DST, top[i]->diff<float>()},
                                {DNNL_ARG_WEIGHTS, weights},
                                {DNNL_ARG_DIFF_SRC, bottom[i]->mutable_diff<float>()},
                                {DNNL_ARG_SCRATCHPAD, scratch + calls_.packed_backward}});
    }
  }

  double ForwardFlops() const override {
    return 2.0 * pairs_ * sizes_.images * sizes_.WeightCount() * sizes_.n();
  }

 private:
  onednn::ConvolutionDesc DescribeWith(const onednn::Epilogue& epilogue) const {
    return Describe(sizes_, bottom_, top_, weights_,
                    options().bias_term() || epilogue.ChangesWeights());
  }

  static dnnl::convolution_forward::primitive_desc ForwardKernel(const onednn::ConvolutionDesc& d,
                                                                 const onednn::Epilogue& epilogue) {
    dnnl::primitive_attr attr = onednn::CallerScratchpad();
    attr.set_post_ops(epilogue.PostOps());
    return onednn::ConvolutionForward(d, attr);
  }

  // "" where there is none.
  std::string KernelName(const onednn::Epilogue& epilogue) const {
    try {
      const auto kernel = ForwardKernel(DescribeWith(epilogue), epilogue);
      return kernel ? kernel.impl_info_str() : "";
    } catch (const dnnl::error&) {
      return "";
    }
  }

  // Returns why oneDNN cannot, or "".
  std::string MakeCalls() {
    try {
      return MakeCalls(DescribeWith(epilogue_), onednn::Plain(weights_, sizes_.groups));
    } catch (const dnnl::error& error) {
      return error.what();
    }
  }

  std::string MakeCalls(const onednn::ConvolutionDesc& d, const memory::desc& caffe_order) {
    const dnnl::primitive_attr attr = onednn::CallerScratchpad();
    const auto forward = ForwardKernel(d, epilogue_);
    std::string why_not = onednn::WhyNotUse(forward, "the forward pass");
    if (!why_not.empty()) return why_not;
    const auto data = onednn::ConvolutionBackwardData(d, attr, forward);
    why_not = onednn::WhyNotUse(data, "the bottom's gradient");
    if (!why_not.empty()) return why_not;
    const auto gradient = onednn::ConvolutionBackwardWeights(d, attr, forward);
    why_not = onednn::WhyNotUse(gradient, "the weights' gradient");
    if (!why_not.empty()) return why_not;

    calls_ = {};
    kept_.clear();
    calls_.forward = {forward,
                      {{DNNL_ARG_SRC, d.src},
                       {DNNL_ARG_WEIGHTS, forward.weights_desc()},
                       {DNNL_ARG_BIAS, d.bias},
                       {DNNL_ARG_DST, d.dst}}};
    calls_.backward_data = {data,
                            {{DNNL_ARG_DIFF_DST, d.dst},
                             {DNNL_ARG_WEIGHTS, data.weights_desc()},
                             {DNNL_ARG_DIFF_SRC, d.src}}};
    calls_.backward_weights = {gradient,
                               {{DNNL_ARG_SRC, d.src},
                                {DNNL_ARG_DIFF_DST, d.dst},
                                {DNNL_ARG_DIFF_WEIGHTS, gradient.diff_weights_desc()},
                                {DNNL_ARG_DIFF_BIAS, d.bias}}};
    const auto pack = [&](const memory::desc& order, onednn::Call* call, size_t* bytes) {
      if (order == caffe_order) return;
      *call = onednn::Reorder(caffe_order, order);
      *bytes = onednn::AlignUp(order.get_size());
    };
    pack(forward.weights_desc(), &calls_.pack_forward, &calls_.packed_forward);
    pack(data.weights_desc(), &calls_.pack_backward, &calls_.packed_backward);
    calls_.packed_gradient = onednn::AlignUp(gradient.diff_weights_desc().get_size());
    calls_.add_weights = onednn::Reorder(gradient.diff_weights_desc(), caffe_order, true);
    return "";
  }

  size_t BiasBytes() const { return onednn::AlignUp(sizes_.outputs * sizeof(float)); }

  size_t ScratchBytes() const {
    const size_t bytes[] = {
        calls_.packed_forward + calls_.forward.scratchpad_bytes(),
        epilogue_.ChangesWeights() ? PlainBytes() : 0,
        calls_.packed_backward + calls_.backward_data.scratchpad_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.backward_weights.scratchpad_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.add_weights.scratchpad_bytes(),
    };
    return *std::max_element(std::begin(bytes), std::end(bytes));
  }

  // Weights that learn change before each pass, so that keeping them would only take memory.
  bool KeepsWeights() const {
    return phase() == Phase::kTest && (calls_.packed_forward > 0 || epilogue_.ChangesWeights());
  }
  size_t KeptBytes() const { return std::max(calls_.packed_forward, PlainBytes()); }
  size_t PlainBytes() const { return onednn::AlignUp(weights_.count() * sizeof(float)); }

  static const float* Pack(onednn::Call* pack, const float* from, void* to) {
    pack->Run({{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    return static_cast<const float*>(to);
  }

  // The weights as the kernel takes them, in state 0, and a bias that differs from the layer's own,
  // in state 1; made anew where something that they depend on has changed.
  void KeepWeights(char* scratch) {
    auto versions = epilogue_.Versions();
    for (const Blob* blob : params()) {
      versions.emplace_back(blob->data_tensor().raw(), blob->data_tensor().buffer()->version());
    }
    versions.emplace_back(state(0).raw(), 0);
    if (versions == kept_) return;
    kept_ = versions;
    const float* weights = param(0).data<float>();
    float* kept = state(0).mutable_data<float>();
    if (epilogue_.ChangesWeights()) {
      const bool packs = calls_.packed_forward > 0;
      float* folded = packs ? reinterpret_cast<float*>(scratch) : kept;
      epilogue_.Fold(weights, Bias<float>(), sizes_.outputs, weights_.count() / sizes_.outputs,
                     folded, state(1).mutable_data<float>());
      weights = folded;
    }
    if (calls_.packed_forward > 0) Pack(&calls_.pack_forward, weights, kept);
  }

  // Adds to the gradients that are wanted of the weights and the bias.
  void WeightGradients(const Context& ctx, const float* x, const float* dy, char* scratch) {
    float* bias = reinterpret_cast<float*>(scratch + calls_.packed_gradient);
    calls_.backward_weights.Run(
        {{DNNL_ARG_SRC, x},
         {DNNL_ARG_DIFF_DST, dy},
         {DNNL_ARG_DIFF_WEIGHTS, scratch},
         {DNNL_ARG_DIFF_BIAS, bias},
         {DNNL_ARG_SCRATCHPAD, scratch + calls_.packed_gradient + BiasBytes()}});
    if (params().size() > 1 && wants_gradient(1)) {
      AddParts<float>(ctx, sizes_.outputs, 1, bias, param(1).mutable_diff<float>());
    }
    if (!wants_gradient(0)) return;
    calls_.add_weights.Run({{DNNL_ARG_FROM, scratch},
                            {DNNL_ARG_TO, param(0).mutable_diff<float>()},
                            {DNNL_ARG_SCRATCHPAD, scratch + calls_.packed_gradient + BiasBytes()}});
  }

  ConvSizes sizes_;
  int pairs_ = 1;
  ConvolutionCalls calls_;
  Shape bottom_, top_, weights_;
  onednn::Epilogue epilogue_;
  bool reader_does_relu_ = false;
  std::vector<std::pair<const void*, uint64_t>> kept_;  // what the kept weights were made of
};

const EngineRegistration registration(
    "ONEDNN", "Convolution", DeviceKind::kCpu,
    [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
      return std::make_unique<OnednnConvolutionLayer>(config, phase);
    },
    OnednnConvolutionLayer::WhyNot);

}  // namespace
}  // namespace crema
