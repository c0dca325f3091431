// Convolution by oneDNN, in channels-last, in three arithmetics (convolution_calls.h): the direct
// one, Winograd's, and one with factors of bfloat16. Weights and their gradients stay in Caffe's
// order; the order that the kernels like is made from it for each pass, or, where nothing learns,
// whenever the weights have changed. Layers that follow may become a part of it
// (engines/shared/epilogue.h).
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engines/onednn/convolution_passes.h"
#include "engines/shared/fold.h"
#include "engines/shared/versioned_cache.h"
#include "layers/shared/elementwise/relu.h"

namespace crema {
namespace {

using onednn::Arithmetic;

class OnednnConvolutionLayer : public ConvolutionBase, public Fusible {
 public:
  OnednnConvolutionLayer(const proto::LayerParameter& config, Phase phase, Arithmetic arithmetic)
      : ConvolutionBase(config, phase), arithmetic_(arithmetic) {}

  LayerTraits traits() const override {
    LayerTraits traits = ConvolutionBase::traits();
    traits.accepts_channels_last = traits.needs_channels_last = true;
    traits.overwrites_gradients = true;
    traits.backward_needs_bottom_data = learns_weights_ || learns_bias_;
    traits.backward_needs_top_data = epilogue_.HasRelu() && !consumer_does_relu_;
    return traits;
  }

  // Where the kernel that does the convolution alone does both.
  bool TryAbsorb(const Consumer& next) override {
    const bool runs = layout_ != Layout::kPlain && problem_.sizes.images > 0;
    Epilogue both = epilogue_;
    if (!runs || next.layout != layout_ || !both.TryAbsorb(next)) return false;
    const Arithmetic arithmetic = passes_.arithmetic();
    if (both.Adds() && arithmetic == Arithmetic::kWinograd) return false;  // it copies its results
    const auto kernel = [&](const Epilogue& epilogue) {
      return onednn::ConvolutionCalls::ForwardKernel(problem_, arithmetic, epilogue);
    };
    if (kernel(epilogue_).empty() || kernel(both) != kernel(epilogue_)) return false;
    epilogue_ = both;
    return true;
  }

  int MayWriteOver() const override { return epilogue_.Adds() ? 1 : -1; }

  void BindConsumer(const Layer& consumer, const BlobList& params,
                    const std::vector<bool>&) override {
    epilogue_.BindParams(consumer, params);
  }

  std::optional<float> ReluBackwardSlope() const override {
    return epilogue_.HasRelu() ? std::optional<float>(epilogue_.slope()) : std::nullopt;
  }
  void LeaveReluBackwardToConsumer() override { consumer_does_relu_ = true; }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan = Describe(input);
    layout_ = input.layout;
    if (layout_ == Layout::kPlain || problem_.sizes.images == 0) return plan;
    problem_.wants_gradient = learns_weights_ || learns_bias_;
    problem_.wants_data = false;
    for (int b = 0; b < pairs_; ++b) {
      problem_.wants_data = problem_.wants_data || input.Propagates(static_cast<size_t>(b));
    }
    const std::string why_not = passes_.Make(problem_, arithmetic_, epilogue_);
    if (!why_not.empty()) {
      Fail("oneDNN cannot run with the input ", problem_.bottom.ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    passes_.MakeForwardBands(epilogue_);
    packed_.Invalidate();
    plan.scratch_bytes = ScratchBytes();
    if (KeepsWeights()) {
      plan.state.emplace_back(Shape{static_cast<int64_t>(KeptBytes() / sizeof(float))});
      plan.state.emplace_back(Shape{problem_.sizes.outputs});
    }
    return plan;
  }

  SavedPlan SavePlan() override {
    const auto restore = [this, problem = problem_, passes = passes_, pairs = pairs_,
                          layout = layout_, weights = learns_weights_, bias = learns_bias_] {
      problem_ = problem;
      passes_ = passes;
      pairs_ = pairs;
      layout_ = layout;
      learns_weights_ = weights;
      learns_bias_ = bias;
      packed_.Invalidate();
    };
    return {restore, onednn::kBytesOfPlan};
  }

  // As Plan would say it, were all gradients wanted.
  static std::string WhyNot(const EngineQuery& query, Arithmetic arithmetic) {
    const std::string why_not = onednn::WhyNotInput(query);
    if (!why_not.empty()) return why_not;
    OnednnConvolutionLayer probe(query.config, query.input.phase, arithmetic);
    probe.Describe(query.input);
    return onednn::WhyNotPasses(probe.problem_, arithmetic);
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (problem_.sizes.images == 0) return;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    const float* bias = Bias<float>();
    const void* weights = nullptr;
    if (KeepsWeights()) {
      KeepWeights(ctx, scratch);
      weights = state(0).raw();
      if (epilogue_.ChangesWeights()) bias = state(1).data<float>();
    } else {
      weights = passes_.ForwardWeights(param(0).data<float>(), &scratch);
    }
    if (epilogue_.Adds() && bottom.back()->data<float>() != top[0]->data<float>()) {
      const Tensor& addend = bottom.back()->data_tensor();
      ctx.device().Copy(top[0]->mutable_data<float>(), addend.raw(), addend.bytes());
    }
    for (size_t i = 0; i < top.size(); ++i) {
      passes_.Forward(bottom[i]->data<float>(), weights, bias, top[i]->mutable_data<float>(),
                      scratch);
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (problem_.sizes.images == 0) {
      ZeroOverwrittenGradients(ctx);
      return;
    }
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    if (epilogue_.HasRelu() && !consumer_does_relu_) {
      ReluOwnGradient<float>(ctx, *top[0], epilogue_.slope());
    }
    for (size_t i = 0; i < top.size(); ++i) {
      passes_.AddGradients(ctx, bottom[i]->data<float>(), top[i]->diff<float>(),
                           WantedGradient(0, i == 0), WantedGradient(1, i == 0), scratch);
    }
    if (std::none_of(propagate_down.begin(), propagate_down.end(), [](bool p) { return p; }))
      return;
    const void* weights = passes_.BackwardWeights(param(0).data<float>(), &scratch);
    for (size_t i = 0; i < top.size(); ++i) {
      if (!propagate_down[i]) continue;
      passes_.BottomGradient(ctx, top[i]->diff<float>(), weights, bottom[i]->mutable_diff<float>(),
                             scratch);
    }
  }

  double ForwardFlops() const override {
    const ConvSizes& s = problem_.sizes;
    return 2.0 * pairs_ * s.images * s.WeightCount() * s.n();
  }

 private:
  // The plan without what oneDNN asks for. An addend comes behind the bottoms.
  LayerPlan Describe(const PlanInput& input) {
    std::vector<Shape> bottoms = input.Shapes();
    if (epilogue_.Adds()) bottoms.pop_back();
    CheckBottoms(bottoms);
    ConvSizes& s = problem_.sizes;
    s = ConvolutionSizes(input, ChannelAxis(options(), bottoms[0], Title()));
    pairs_ = static_cast<int>(bottoms.size());
    LayerPlan plan = PlanFor(input, bottoms.size(), 1, s.geometry.out, s);
    plan.scratch_bytes = 0;
    problem_.bottom = bottoms[0];
    problem_.top = plan.tops[0].shape;
    problem_.weights = plan.params[0].shape;
    problem_.has_bias = options().bias_term();
    problem_.phase = phase();
    return plan;
  }

  // Where gradients of that parameter go.
  GradientTarget WantedGradient(int i, bool is_first) const {
    const bool wants = static_cast<int>(params().size()) > i && wants_gradient(i);
    if (!wants) return {};
    return {param(i).mutable_diff<float>(), is_first && overwrites_gradient(i)};
  }

  size_t ScratchBytes() const {
    const size_t forward = KeepsWeights() ? FoldedBytes() : passes_.ForwardPackedBytes();
    return std::max({forward + passes_.ForwardScratch(),
                     passes_.BackwardPackedBytes() + passes_.BackwardScratch(),
                     passes_.GradientScratch()});
  }

  // Weights that learn change before each pass, so that keeping them would only take memory. Those
  // that BatchNorm and Scale are folded into do not learn, in phase TRAIN either.
  bool KeepsWeights() const {
    return epilogue_.ChangesWeights() ||
           (phase() == Phase::kTest && passes_.ForwardPackedBytes() > 0);
  }
  size_t KeptBytes() const { return std::max(passes_.ForwardPackedBytes(), PlainBytes()); }
  // Of scratch memory: the folded weights, and what folding takes.
  size_t FoldedBytes() const {
    if (!epilogue_.ChangesWeights()) return 0;
    return PlainBytes() + onednn::AlignUp(FoldScratchBytes(problem_.sizes.outputs));
  }
  size_t PlainBytes() const { return onednn::AlignUp(problem_.weights.count() * sizeof(float)); }

  // The weights as the kernel takes them, in state 0, and a bias that differs from the layer's own,
  // in state 1; made anew where something that they depend on has changed.
  void KeepWeights(const Context& ctx, char* scratch) {
    std::vector<VersionedSource> sources = epilogue_.Sources();
    for (const Blob* blob : params()) sources.push_back(VersionOf(*blob));
    sources.emplace_back(state(0).raw(), 0);
    packed_.Refresh(std::move(sources), [&] { MakeKept(ctx, scratch); });
  }

  void MakeKept(const Context& ctx, char* scratch) {
    const float* weights = param(0).data<float>();
    float* kept = state(0).mutable_data<float>();
    if (epilogue_.ChangesWeights()) {
      const bool packs = passes_.ForwardPackedBytes() > 0;
      float* folded = packs ? reinterpret_cast<float*>(scratch) : kept;
      const int64_t outputs = problem_.sizes.outputs;
      Fold<float>(ctx, epilogue_, outputs, static_cast<int>(problem_.weights.count() / outputs),
                  weights, Bias<float>(), scratch + PlainBytes(), folded,
                  state(1).mutable_data<float>());
      weights = folded;
    }
    if (passes_.ForwardPackedBytes() == 0) return;
    passes_.PackForward(weights, kept, scratch + FoldedBytes());
  }

  const Arithmetic arithmetic_;
  onednn::ConvolutionProblem problem_;
  onednn::ConvolutionPasses passes_;
  int pairs_ = 1;
  Layout layout_ = Layout::kPlain;  // of the last plan
  Epilogue epilogue_;
  bool consumer_does_relu_ = false;
  VersionedCache packed_;  // the weights in the states
};

const onednn::ConvolutionEngines<OnednnConvolutionLayer> engines("Convolution");

}  // namespace
}  // namespace crema
