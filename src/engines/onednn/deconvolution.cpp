// Deconvolution by oneDNN, in channels-last, in the arithmetics of Convolution: the passes
// of the convolution that goes from the top to the bottom, the other way round. Its backward pass
// to the bottom makes our top, its forward pass the gradient of our bottom. Weights and their
// gradients stay in Caffe's order, as those of Convolution do.
#include <algorithm>
#include <vector>

#include "engines/onednn/convolution_passes.h"
#include "engines/shared/versioned_cache.h"

namespace crema {
namespace {

using onednn::Arithmetic;

// oneDNN makes channels by sixteen, however few are wanted; our own code makes those wanted, in a
// slower way. Measured on Zen 4 with 16 images of 64 channels of 32 x 32, of which a few channels
// of 64 x 64 were made, with the changes of layout: up to so many channels our own code is faster.
// In phase TRAIN the backward pass counts too.
constexpr int kFewChannelsInTraining = 2, kFewChannels = 4;

class OnednnDeconvolutionLayer : public ConvolutionBase {
 public:
  OnednnDeconvolutionLayer(const proto::LayerParameter& config, Phase phase, Arithmetic arithmetic)
      : ConvolutionBase(config, phase), arithmetic_(arithmetic) {}

  LayerTraits traits() const override {
    LayerTraits traits = ConvolutionBase::traits();
    traits.accepts_channels_last = traits.needs_channels_last = true;
    traits.overwrites_gradients = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan = Describe(input);
    if (input.layout == Layout::kPlain || IsEmpty()) return plan;
    problem_.wants_gradient = learns_weights_;
    sends_ = false;
    for (size_t b = 0; b < input.bottoms.size(); ++b) sends_ = sends_ || input.Propagates(b);
    const std::string why_not = passes_.Make(problem_, arithmetic_, {});
    if (!why_not.empty()) {
      Fail("oneDNN cannot run with the input ", input.shape(0).ToString(),
           ": for the convolution from top to bottom, ", why_not, "; use engine: CAFFE");
    }
    packed_.Invalidate();
    plan.scratch_bytes = ScratchBytes();
    if (KeepsWeights()) {
      const size_t count = passes_.BackwardPackedBytes() / sizeof(float);
      plan.state.emplace_back(Shape{static_cast<int64_t>(count)});
    }
    return plan;
  }

  SavedPlan SavePlan() override {
    const auto restore = [this, problem = problem_, passes = passes_, pairs = pairs_,
                          sends = sends_, weights = learns_weights_, bias = learns_bias_] {
      problem_ = problem;
      passes_ = passes;
      pairs_ = pairs;
      sends_ = sends;
      learns_weights_ = weights;
      learns_bias_ = bias;
      packed_.Invalidate();
    };
    return {restore, onednn::kBytesOfPlan};
  }

  // As Plan would say it, were all gradients wanted, or why our own code is faster.
  static std::string WhyNot(const EngineQuery& query, Arithmetic arithmetic) {
    const std::string why_not = onednn::WhyNotInput(query);
    if (!why_not.empty()) return why_not;
    OnednnDeconvolutionLayer probe(query.config, query.input.phase, arithmetic);
    probe.Describe(query.input);
    if (probe.HasFewChannels()) return "there are too few output channels";
    const std::string passes = onednn::WhyNotPasses(probe.problem_, arithmetic);
    return passes.empty() ? "" : "for the convolution from top to bottom, " + passes;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (IsEmpty()) return;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    const void* weights = Weights(&scratch);
    for (size_t i = 0; i < top.size(); ++i) {
      float* y = top[i]->mutable_data<float>();
      passes_.BottomGradient(ctx, bottom[i]->data<float>(), weights, y, scratch);
      if (Bias<float>() != nullptr) AddBias(ctx, Bias<float>(), y);
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (IsEmpty()) {
      ZeroOverwrittenGradients(ctx);
      return;
    }
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    for (size_t i = 0; i < top.size(); ++i) {
      const float* dy = top[i]->diff<float>();
      if (params().size() > 1 && wants_gradient(1)) AddBiasGradient(ctx, dy, i == 0);
      if (!wants_gradient(0)) continue;
      passes_.AddGradients(ctx, dy, bottom[i]->data<float>(),
                           {param(0).mutable_diff<float>(), i == 0 && overwrites_gradient(0)}, {},
                           scratch);
    }
    if (std::none_of(propagate_down.begin(), propagate_down.end(), [](bool p) { return p; }))
      return;
    const void* weights = passes_.ForwardWeights(param(0).data<float>(), &scratch);
    for (size_t i = 0; i < top.size(); ++i) {
      if (!propagate_down[i]) continue;
      passes_.Forward(top[i]->diff<float>(), weights, nullptr, bottom[i]->mutable_diff<float>(),
                      scratch);
    }
  }

  double ForwardFlops() const override {
    const ConvSizes& s = problem_.sizes;
    return 2.0 * pairs_ * s.images * s.WeightCount() * s.n();
  }

 private:
  // The plan without what oneDNN asks for. The problem's bottom is our top.
  LayerPlan Describe(const PlanInput& input) {
    CheckBottoms(input.Shapes());
    const Shape& bottom = input.shape(0);
    const int axis = ChannelAxis(options(), bottom, Title());
    ConvSizes& s = problem_.sizes;
    s = DeconvolutionSizes(input, axis);
    pairs_ = static_cast<int>(input.bottoms.size());
    LayerPlan plan = PlanFor(input, input.bottoms.size(), axis, s.geometry.in, s);
    plan.scratch_bytes = 0;
    problem_.bottom = plan.tops[0].shape;
    problem_.top = bottom;
    problem_.weights = plan.params[0].shape;
    problem_.phase = Phase::kTrain;  // which has the pass from its top to its bottom
    return plan;
  }

  // Where the layer does not name its engine.
  bool HasFewChannels() const {
    if (options().engine() != proto::ConvolutionParameter::DEFAULT) return false;
    const int few = phase() == Phase::kTrain ? kFewChannelsInTraining : kFewChannels;
    return problem_.sizes.groups == 1 && Channels() <= few;
  }

  bool IsEmpty() const { return problem_.sizes.images == 0; }

  // Of the tops.
  int Channels() const { return problem_.sizes.geometry.channels; }
  int64_t Pixels() const { return problem_.sizes.images * problem_.sizes.geometry.InCount(); }

  void AddBias(const Context& ctx, const float* bias, float* y) const {
    const int channels = Channels();
    ForEach(ctx, Pixels(), channels,
            [=] HD(int64_t pixel, int c) { y[pixel * channels + c] += bias[c]; });
  }

  void AddBiasGradient(const Context& ctx, const float* dy, bool is_first) const {
    float* sum = param(1).mutable_diff<float>();
    if (is_first && overwrites_gradient(1)) ctx.device().Zero(sum, Channels() * sizeof(float));
    BiasGradient<float>(ctx, {Pixels(), Channels(), 1}, dy, sum);
  }

  size_t ScratchBytes() const {
    const size_t packed = KeepsWeights() ? 0 : passes_.BackwardPackedBytes();
    const size_t back =
        sends_ ? passes_.ForwardPackedBytes() + passes_.ForwardScratch() : size_t{0};
    return std::max({packed + passes_.BackwardScratch(), back, passes_.GradientScratch()});
  }

  // Weights that learn change before each pass, so that keeping them would only take memory.
  bool KeepsWeights() const { return phase() == Phase::kTest && passes_.BackwardPackedBytes() > 0; }

  // As the kernel takes them: in state 0, or at *scratch, which moves behind them.
  const void* Weights(char** scratch) {
    const float* weights = param(0).data<float>();
    if (!KeepsWeights()) return passes_.BackwardWeights(weights, scratch);
    const void* kept = state(0).raw();
    packed_.Refresh({VersionOf(param(0)), {kept, 0}}, [&] {
      passes_.PackBackward(weights, state(0).mutable_data<float>(), *scratch);
    });
    return kept;
  }

  const Arithmetic arithmetic_;
  onednn::ConvolutionProblem problem_;
  onednn::ConvolutionPasses passes_;
  int pairs_ = 1;
  bool sends_ = true;      // the gradient of a bottom
  VersionedCache packed_;  // the weights in state 0
};

const onednn::ConvolutionEngines<OnednnDeconvolutionLayer> engines("Deconvolution");

}  // namespace
}  // namespace crema
