// Convolution by oneDNN, in channels-last, as three engines: ONEDNN, WINOGRAD and BF16, which
// differ in their arithmetic (convolution_calls.h). Weights and their gradients stay in Caffe's
// order; the order that the kernels like is made from it for each pass, or, where nothing learns,
// whenever the weights have changed. Layers that follow may become a part of it (epilogue.h).
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "crema/layer/registry.h"
#include "crema/math/host_tasks.h"
#include "engines/onednn/convolution_calls.h"
#include "engines/onednn/kept.h"
#include "layers/shared/relu.h"

namespace crema {
namespace {

using onednn::Arithmetic;

class OnednnConvolutionLayer : public ConvolutionBase, public Fusible {
 public:
  OnednnConvolutionLayer(const proto::LayerParameter& config, Phase phase, Arithmetic arithmetic)
      : ConvolutionBase(config, phase), wished_(arithmetic), arithmetic_(arithmetic) {}

  LayerTraits traits() const override {
    LayerTraits traits = ConvolutionBase::traits();
    traits.accepts_channels_last = traits.needs_channels_last = true;
    traits.backward_needs_top_data = epilogue_.HasRelu() && !reader_does_relu_;
    return traits;
  }

  // Where the kernel that does the convolution alone does both.
  bool Absorb(const Follower& next) override {
    const bool runs = layout() != Layout::kPlain && problem_.sizes.images > 0;
    if (!runs || next.layer->layout() != layout() || !epilogue_.Takes(next)) return false;
    onednn::Epilogue both = epilogue_;
    both.Take(*next.layer);
    if (both.Adds() && arithmetic_ == Arithmetic::kWinograd) return false;  // it copies its results
    const auto kernel = [this](const onednn::Epilogue& epilogue) {
      return onednn::ConvolutionCalls::ForwardKernel(problem_, arithmetic_, epilogue);
    };
    if (kernel(epilogue_).empty() || kernel(both) != kernel(epilogue_)) return false;
    epilogue_ = both;
    return true;
  }

  int MayWriteOver() const override { return epilogue_.Adds() ? 1 : -1; }

  void BindFollower(const Layer& follower, const BlobList& params,
                    const std::vector<bool>&) override {
    epilogue_.BindParams(follower, params);
  }

  std::optional<float> ReluOfGradient() const override {
    return epilogue_.HasRelu() ? std::optional<float>(epilogue_.Slope()) : std::nullopt;
  }
  void LeaveReluToReader() override { reader_does_relu_ = true; }

  LayerPlan Plan(const std::vector<Shape>& all_bottoms, DType dtype) override {
    LayerPlan plan = Describe(all_bottoms, dtype);
    if (layout() == Layout::kPlain || problem_.sizes.images == 0) return plan;
    arithmetic_ = wished_;
    std::string why_not = calls_.Make(problem_, arithmetic_, epilogue_);
    if (!why_not.empty() && wished_ != Arithmetic::kDirect) {  // other sizes than at first
      arithmetic_ = Arithmetic::kDirect;
      why_not = calls_.Make(problem_, arithmetic_, epilogue_);
    }
    if (!why_not.empty()) {
      Fail("oneDNN cannot take the input ", problem_.bottom.ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    calls_.MakeForwardBands(problem_, arithmetic_, epilogue_);
    kept_.Forget();
    plan.scratch_bytes = ScratchBytes();
    if (KeepsWeights()) {
      plan.state.push_back({Shape{static_cast<int64_t>(KeptBytes() / sizeof(float))}, {}});
      plan.state.push_back({Shape{problem_.sizes.outputs}, {}});
    }
    return plan;
  }

  // As Plan would say it.
  static std::string WhyNot(const EngineQuery& query, Arithmetic arithmetic) {
    if (query.dtype != DType::kFloat32) return "it has float32 only";
    if (query.bottoms.empty()) return "there is no bottom";
    const Shape& bottom = query.bottoms[0];
    if (bottom.rank() < 3 || bottom.rank() > 5) return "it wants 1 to 3 spatial axes";
    OnednnConvolutionLayer probe(query.config, query.phase, arithmetic);
    if (ChannelAxis(probe.options(), bottom, probe.Title()) != 1) return "it wants axis: 1";
    probe.Describe(query.bottoms, query.dtype);
    if (probe.problem_.sizes.images == 0) return "the batch is empty";
    const std::string why_not = onednn::WhyNotArithmetic(probe.problem_, arithmetic);
    return why_not.empty() ? probe.calls_.Make(probe.problem_, arithmetic, {}) : why_not;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (problem_.sizes.images == 0) return;
    const ConvSizes& s = problem_.sizes;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    const void* weights = param(0).data<float>();
    const float* bias = Bias<float>();
    char* rest = scratch;
    if (KeepsWeights()) {
      KeepWeights(scratch);
      weights = state(0).raw();
      if (epilogue_.ChangesWeights()) bias = state(1).data<float>();
    } else if (calls_.packed_forward > 0) {
      rest = scratch + calls_.groups * calls_.packed_forward;
      weights = Pack(&calls_.pack_forward, calls_.packed_forward, weights, scratch, rest);
    }
    if (epilogue_.Adds() && bottom.back()->data<float>() != top[0]->data<float>()) {
      const Tensor& addend = bottom.back()->data_tensor();
      ctx.device().Copy(top[0]->mutable_data<float>(), addend.raw(), addend.bytes());
    }
    for (size_t i = 0; i < top.size(); ++i) {
      const float* x = bottom[i]->data<float>();
      float* y = top[i]->mutable_data<float>();
      if (!calls_.bands.each.empty()) {
        RunBands(x, weights, bias, y, rest);
        continue;
      }
      ForEachCall([&](int64_t image, int group) {
        calls_.forward.Run(
            {{DNNL_ARG_SRC, x + image * s.BottomCount() + group * GroupChannels()},
             {DNNL_ARG_WEIGHTS, WeightsOf(group, weights, calls_.packed_forward)},
             {DNNL_ARG_BIAS, bias == nullptr ? nullptr : bias + group * GroupOutputs()},
             {DNNL_ARG_DST, y + image * s.TopCount() + group * GroupOutputs()}},
            rest);
      });
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (problem_.sizes.images == 0) return;
    const ConvSizes& s = problem_.sizes;
    const bool has_bias = params().size() > 1;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    if (epilogue_.HasRelu() && !reader_does_relu_) {
      ReluOwnGradient<float>(ctx, *top[0], epilogue_.Slope());
    }
    for (size_t i = 0; i < top.size(); ++i) {
      const float* dy = top[i]->diff<float>();
      if (!wants_gradient(0) && !(has_bias && wants_gradient(1))) continue;
      const float* x = bottom[i]->data<float>();
      if (calls_.gradient_is_product) {
        ProductGradients(ctx, x, dy, scratch);
        continue;
      }
      ForEachCall([&](int64_t image, int group) {
        WeightGradients(ctx, group, x + image * s.BottomCount() + group * GroupChannels(),
                        dy + image * s.TopCount() + group * GroupOutputs(), scratch);
      });
    }
    if (std::none_of(propagate_down.begin(), propagate_down.end(), [](bool p) { return p; }))
      return;
    char* const rest = scratch + calls_.groups * calls_.packed_backward;
    const void* weights = param(0).data<float>();
    if (calls_.packed_backward > 0) {
      weights = Pack(&calls_.pack_backward, calls_.packed_backward, weights, scratch, rest);
    }
    for (size_t i = 0; i < top.size(); ++i) {
      if (!propagate_down[i]) continue;
      const float* dy = top[i]->diff<float>();
      float* dx = bottom[i]->mutable_diff<float>();
      if (calls_.leaves_out_pixels) ctx.device().Zero(dx, bottom[i]->diff_tensor().bytes());
      ForEachCall([&](int64_t image, int group) {
        calls_.backward_data.Run(
            {{DNNL_ARG_DIFF_DST, dy + image * s.TopCount() + group * GroupOutputs()},
             {DNNL_ARG_WEIGHTS, WeightsOf(group, weights, calls_.packed_backward)},
             {DNNL_ARG_DIFF_SRC, dx + image * s.BottomCount() + group * GroupChannels()}},
            rest);
      });
    }
  }

  double ForwardFlops() const override {
    const ConvSizes& s = problem_.sizes;
    return 2.0 * pairs_ * s.images * s.WeightCount() * s.n();
  }

 private:
  // The plan without what oneDNN asks for. An addend comes behind the bottoms.
  LayerPlan Describe(const std::vector<Shape>& all_bottoms, DType dtype) {
    std::vector<Shape> bottoms = all_bottoms;
    if (epilogue_.Adds()) bottoms.pop_back();
    CheckBottoms(bottoms);
    ConvSizes& s = problem_.sizes;
    s = ConvolutionSizes(bottoms[0], ChannelAxis(options(), bottoms[0], Title()), dtype);
    pairs_ = static_cast<int>(bottoms.size());
    LayerPlan plan = PlanFor(bottoms, 1, s.geometry.out, s, dtype);
    plan.scratch_bytes = 0;
    problem_.bottom = bottoms[0];
    problem_.top = plan.tops[0];
    problem_.weights = plan.params[0].shape;
    problem_.has_bias = options().bias_term();
    problem_.phase = phase();
    return plan;
  }

  template <class F>
  void ForEachCall(const F& run) const {
    for (int64_t image = 0; image < problem_.sizes.images; image += calls_.images) {
      for (int group = 0; group < calls_.groups; ++group) run(image, group);
    }
  }

  void RunBands(const float* x, const void* weights, const float* bias, float* y, char* scratch) {
    std::vector<onednn::Band>& bands = calls_.bands.each;
    const int count = static_cast<int>(bands.size());
    HostTasks(count, count, [&](int i, int) {
      bands[i].forward.Run({{DNNL_ARG_SRC, x + bands[i].bottom},
                            {DNNL_ARG_WEIGHTS, weights},
                            {DNNL_ARG_BIAS, bias},
                            {DNNL_ARG_DST, y + bands[i].top}},
                           scratch + i * calls_.bands.scratch_bytes);
    });
  }

  // Of one group of calls_.groups.
  int64_t GroupChannels() const { return problem_.sizes.geometry.channels / calls_.groups; }
  int64_t GroupOutputs() const { return problem_.sizes.outputs / calls_.groups; }
  int64_t GroupWeights() const { return problem_.weights.count() / calls_.groups; }

  // Those of a group, packed into so many bytes or, 0, in Caffe's order.
  const void* WeightsOf(int group, const void* weights, size_t packed) const {
    const size_t bytes = packed > 0 ? packed : GroupWeights() * sizeof(float);
    return static_cast<const char*>(weights) + group * bytes;
  }

  size_t BiasBytes() const { return onednn::AlignUp(problem_.sizes.outputs * sizeof(float)); }

  size_t ScratchBytes() const {
    const size_t bytes[] = {
        calls_.groups * calls_.packed_forward +
            calls_.bands.each.size() * calls_.bands.scratch_bytes,
        calls_.groups * calls_.packed_forward + calls_.forward.scratch_bytes(),
        calls_.groups * calls_.packed_forward + calls_.pack_forward.scratchpad_bytes(),
        FoldedBytes() + calls_.pack_forward.scratchpad_bytes(),
        calls_.groups * calls_.packed_backward + calls_.pack_backward.scratchpad_bytes(),
        calls_.groups * calls_.packed_backward + calls_.backward_data.scratch_bytes(),
        calls_.gathered + calls_.gather.scratchpad_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.backward_weights.scratch_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.add_weights.scratchpad_bytes(),
    };
    return *std::max_element(std::begin(bytes), std::end(bytes));
  }

  // Weights that learn change before each pass, so that keeping them would only take memory. Those
  // that BatchNorm and Scale are folded into do not learn, in phase TRAIN either.
  bool KeepsWeights() const {
    return epilogue_.ChangesWeights() || (phase() == Phase::kTest && calls_.packed_forward > 0);
  }
  size_t KeptBytes() const { return std::max(calls_.groups * calls_.packed_forward, PlainBytes()); }
  size_t FoldedBytes() const { return epilogue_.ChangesWeights() ? PlainBytes() : 0; }
  size_t PlainBytes() const { return onednn::AlignUp(problem_.weights.count() * sizeof(float)); }

  // All groups, each into so many bytes.
  const void* Pack(onednn::Call* pack, size_t bytes, const void* from, void* to,
                   void* scratchpad) const {
    for (int group = 0; group < calls_.groups; ++group) {
      pack->Run({{DNNL_ARG_FROM, WeightsOf(group, from, 0)},
                 {DNNL_ARG_TO, static_cast<char*>(to) + group * bytes},
                 {DNNL_ARG_SCRATCHPAD, scratchpad}});
    }
    return to;
  }

  // The weights as the kernel takes them, in state 0, and a bias that differs from the layer's own,
  // in state 1; made anew where something that they depend on has changed.
  void KeepWeights(char* scratch) {
    auto sources = epilogue_.Versions();
    for (const Blob* blob : params()) sources.push_back(onednn::VersionOf(*blob));
    sources.emplace_back(state(0).raw(), 0);
    kept_.Make(std::move(sources), [&] { MakeKept(scratch); });
  }

  void MakeKept(char* scratch) {
    const float* weights = param(0).data<float>();
    float* kept = state(0).mutable_data<float>();
    if (epilogue_.ChangesWeights()) {
      const bool packs = calls_.packed_forward > 0;
      float* folded = packs ? reinterpret_cast<float*>(scratch) : kept;
      epilogue_.Fold(weights, Bias<float>(), problem_.sizes.outputs,
                     problem_.weights.count() / problem_.sizes.outputs, folded,
                     state(1).mutable_data<float>());
      weights = folded;
    }
    if (calls_.packed_forward == 0) return;
    Pack(&calls_.pack_forward, calls_.packed_forward, weights, kept, scratch + FoldedBytes());
  }

  // Adds to the gradients that are wanted, of all images.
  void ProductGradients(const Context& ctx, const float* x, const float* dy, char* scratch) {
    const ConvSizes& s = problem_.sizes;
    const int64_t pixels = s.images * s.n(), channels = s.geometry.channels;
    if (params().size() > 1 && wants_gradient(1)) {
      BiasGradient<float>(ctx, {pixels, s.outputs, 1}, dy, param(1).mutable_diff<float>());
    }
    if (!wants_gradient(0)) return;
    if (calls_.gathered > 0) {
      calls_.gather.Run({{DNNL_ARG_FROM, x},
                         {DNNL_ARG_TO, scratch},
                         {DNNL_ARG_SCRATCHPAD, scratch + calls_.gathered}});
      x = reinterpret_cast<const float*>(scratch);
    }
    const dnnl_status_t status =
        dnnl_sgemm('T', 'N', s.outputs, channels, pixels, 1, dy, s.outputs, x, channels, 1,
                   param(0).mutable_diff<float>(), channels);
    CREMA_CHECK(status == dnnl_success, Title(), ": dnnl_sgemm answers ", status);
  }

  // Adds to the gradients that are wanted of a group's weights and biases.
  void WeightGradients(const Context& ctx, int group, const float* x, const float* dy,
                       char* scratch) {
    float* bias = reinterpret_cast<float*>(scratch + calls_.packed_gradient);
    char* const rest = scratch + calls_.packed_gradient + BiasBytes();
    calls_.backward_weights.Run({{DNNL_ARG_SRC, x},
                                 {DNNL_ARG_DIFF_DST, dy},
                                 {DNNL_ARG_DIFF_WEIGHTS, scratch},
                                 {DNNL_ARG_DIFF_BIAS, bias}},
                                rest);
    if (params().size() > 1 && wants_gradient(1)) {
      float* const sum = param(1).mutable_diff<float>() + group * GroupOutputs();
      AddParts<float>(ctx, GroupOutputs(), 1, bias, sum);
    }
    if (!wants_gradient(0)) return;
    float* const sum = param(0).mutable_diff<float>() + group * GroupWeights();
    calls_.add_weights.Run(
        {{DNNL_ARG_FROM, scratch}, {DNNL_ARG_TO, sum}, {DNNL_ARG_SCRATCHPAD, rest}});
  }

  const Arithmetic wished_;
  Arithmetic arithmetic_;  // which the shapes allow
  onednn::ConvolutionProblem problem_;
  onednn::ConvolutionCalls calls_;
  int pairs_ = 1;
  onednn::Epilogue epilogue_;
  bool reader_does_relu_ = false;
  onednn::Kept kept_;  // weights
};

EngineRegistration Register(const char* engine, Arithmetic arithmetic,
                            Precision precision = Precision::kFloat32) {
  return {
      engine,
      "Convolution",
      DeviceKind::kCpu,
      [=](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
        return std::make_unique<OnednnConvolutionLayer>(config, phase, arithmetic);
      },
      [=](const EngineQuery& query) { return OnednnConvolutionLayer::WhyNot(query, arithmetic); },
      precision};
}

// Of those that can take a layer, the first one does.
const EngineRegistration registrations[] = {
    Register("BF16", Arithmetic::kBFloat16, Precision::kBFloat16),
    Register("WINOGRAD", Arithmetic::kWinograd), Register("ONEDNN", Arithmetic::kDirect)};

}  // namespace
}  // namespace crema
