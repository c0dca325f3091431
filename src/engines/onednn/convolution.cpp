// Convolution by oneDNN, in channels-last. Weights and their gradients stay in Caffe's order; the
// order that the kernels like is made from it for each pass, or, where nothing learns, whenever
// the weights have changed.
#include "layers/shared/convolution.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "crema/layer/registry.h"
#include "engines/onednn/call.h"
#include "engines/onednn/primitives.h"

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

class OnednnConvolutionLayer : public ConvolutionBase {
 public:
  using ConvolutionBase::ConvolutionBase;

  LayerTraits traits() const override {
    LayerTraits traits = ConvolutionBase::traits();
    traits.accepts_channels_last = traits.needs_channels_last = true;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType dtype) override {
    CheckBottoms(bottoms);
    sizes_ = ConvolutionSizes(bottoms[0], ChannelAxis(options(), bottoms[0], Title()), dtype);
    pairs_ = static_cast<int>(bottoms.size());
    LayerPlan plan = PlanFor(bottoms, 1, sizes_.geometry.out, sizes_, dtype);
    plan.scratch_bytes = 0;
    if (layout() == Layout::kPlain || sizes_.images == 0) return plan;
    const std::string why_not = MakeCalls(bottoms[0], plan);
    if (!why_not.empty()) {
      Fail("engine ONEDNN cannot take the input ", bottoms[0].ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    plan.scratch_bytes = ScratchBytes();
    if (KeepsPacked()) {
      plan.state.push_back(
          {Shape{static_cast<int64_t>(calls_.packed_forward / sizeof(float))}, {}});
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
    const LayerPlan plan = probe.Plan(query.bottoms, query.dtype);
    return probe.sizes_.images == 0 ? "the batch is empty" : probe.MakeCalls(bottom, plan);
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (sizes_.images == 0) return;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    const float* weights = param(0).data<float>();
    char* scratchpad = scratch;
    if (KeepsPacked()) {
      weights = PackedWeights();
    } else if (calls_.packed_forward > 0) {
      weights = Pack(&calls_.pack_forward, scratch);
      scratchpad = scratch + calls_.packed_forward;
    }
    for (size_t i = 0; i < bottom.size(); ++i) {
      calls_.forward.Run({{DNNL_ARG_SRC, bottom[i]->data<float>()},
                          {DNNL_ARG_WEIGHTS, weights},
                          {DNNL_ARG_BIAS, Bias<float>()},
                          {DNNL_ARG_DST, top[i]->mutable_data<float>()},
                          {DNNL_ARG_SCRATCHPAD, scratchpad}});
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (sizes_.images == 0) return;
    const bool has_bias = params().size() > 1;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    for (size_t i = 0; i < top.size(); ++i) {
      const float* dy = top[i]->diff<float>();
      if (wants_gradient(0) || (has_bias && wants_gradient(1))) {
        WeightGradients(ctx, bottom[i]->data<float>(), dy, scratch);
      }
    }
    if (std::none_of(propagate_down.begin(), propagate_down.end(), [](bool p) { return p; }))
      return;
    const float* weights = param(0).data<float>();
    if (calls_.packed_backward > 0) weights = Pack(&calls_.pack_backward, scratch);
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
  // Returns why oneDNN cannot, or "".
  std::string MakeCalls(const Shape& bottom, const LayerPlan& plan) {
    const Shape& weights = plan.params[0].shape;
    const bool has_bias = plan.params.size() > 1;
    try {
      return MakeCalls(Describe(sizes_, bottom, plan.tops[0], weights, has_bias),
                       onednn::Plain(weights, sizes_.groups));
    } catch (const dnnl::error& error) {
      return error.what();
    }
  }

  std::string MakeCalls(const onednn::ConvolutionDesc& d, const memory::desc& caffe_order) {
    const dnnl::primitive_attr attr = onednn::CallerScratchpad();
    const auto forward = onednn::ConvolutionForward(d, attr);
    std::string why_not = onednn::WhyNotUse(forward, "the forward pass");
    if (!why_not.empty()) return why_not;
    const auto data = onednn::ConvolutionBackwardData(d, attr, forward);
    why_not = onednn::WhyNotUse(data, "the bottom's gradient");
    if (!why_not.empty()) return why_not;
    const auto gradient = onednn::ConvolutionBackwardWeights(d, attr, forward);
    why_not = onednn::WhyNotUse(gradient, "the weights' gradient");
    if (!why_not.empty()) return why_not;

    calls_ = {};
    packed_version_.reset();
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
        calls_.packed_backward + calls_.backward_data.scratchpad_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.backward_weights.scratchpad_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.add_weights.scratchpad_bytes(),
    };
    return *std::max_element(std::begin(bytes), std::end(bytes));
  }

  // Weights that learn change before each pass, so that keeping them would only take memory.
  bool KeepsPacked() const { return phase() == Phase::kTest && calls_.packed_forward > 0; }

  const float* Pack(onednn::Call* pack, char* to) {
    pack->Run({{DNNL_ARG_FROM, param(0).data<float>()}, {DNNL_ARG_TO, to}});
    return reinterpret_cast<const float*>(to);
  }

  const float* PackedWeights() {
    const uint64_t version = param(0).data_tensor().buffer()->version();
    char* packed = static_cast<char*>(state(0).raw());
    if (packed_version_ != version || packed_ != packed) {
      Pack(&calls_.pack_forward, packed);
      packed_version_ = version;
      packed_ = packed;
    }
    return reinterpret_cast<const float*>(packed);
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
  std::optional<uint64_t> packed_version_;
  const char* packed_ = nullptr;
};

const EngineRegistration registration(
    "ONEDNN", "Convolution", DeviceKind::kCpu,
    [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
      return std::make_unique<OnednnConvolutionLayer>(config, phase);
    },
    OnednnConvolutionLayer::WhyNot);

}  // namespace
}  // namespace crema
