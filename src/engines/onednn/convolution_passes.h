// The passes of a convolution by oneDNN over all images and groups: forward, and the gradients. A
// Convolution goes them forward, a Deconvolution the other way round.
#pragma once

#include <memory>
#include <string>

#include "crema/dev/registry.h"
#include "engines/onednn/convolution_calls.h"
#include "engines/shared/gradient_target.h"

namespace crema::onednn {

// Values and their gradients are in channels-last, weights and theirs in Caffe's order, but for
// what the kernels want: weights in an order of their own, made by Pack... Scratch memory is
// aligned. Several threads may run Forward and BottomGradient at once.
class ConvolutionPasses {
 public:
  // For the wished arithmetic or, where the sizes do not allow that, the direct one. Returns why
  // oneDNN cannot, or "".
  std::string Make(const ConvolutionProblem& problem, Arithmetic wished, const Epilogue& epilogue);
  // After Make, where the passes will be run: forward by bands, if they can be made.
  void MakeForwardBands(const Epilogue& epilogue);
  Arithmetic arithmetic() const { return arithmetic_; }

  // What packed weights take; 0: the kernel takes Caffe's.
  size_t ForwardPackedBytes() const { return calls_.groups * calls_.packed_forward; }
  size_t BackwardPackedBytes() const { return calls_.groups * calls_.packed_backward; }
  // `to` has room for them.
  void PackForward(const float* weights, void* to, char* scratch);
  void PackBackward(const float* weights, void* to, char* scratch);
  // The same into *scratch, which moves behind them; or `weights` where they do as they are.
  const void* ForwardWeights(const float* weights, char** scratch);
  const void* BackwardWeights(const float* weights, char** scratch);

  // What a pass and its packing take beside packed weights.
  size_t ForwardScratch() const;
  size_t BackwardScratch() const;
  size_t GradientScratch() const;

  // `bias` may be null.
  void Forward(const float* x, const void* weights, const float* bias, float* y, char* scratch);
  void BottomGradient(const Context& ctx, const float* dy, const void* weights, float* dx,
                      char* scratch);
  // Adds to the gradients, or overwrites them. Either sum may be null, and that of the bias has to
  // be where the problem has none.
  void AddGradients(const Context& ctx, const float* x, const float* dy,
                    const GradientTarget& d_weights, const GradientTarget& d_bias, char* scratch);

 private:
  template <class F>
  void ForEachCall(const F& run) const;
  void Pack(Call* pack, size_t packed, const float* from, void* to, char* scratch) const;
  const void* WeightsOf(int group, const void* weights, size_t packed) const;
  void RunBands(const float* x, const void* weights, const float* bias, float* y, char* scratch);
  void AddProduct(const float* x, const float* dy, const GradientTarget& d_weights, char* scratch);
  void AddOfGroup(const Context& ctx, int group, const float* x, const float* dy,
                  const GradientTarget& d_weights, float* d_bias, char* scratch);
  // Of one group of calls_.groups.
  int64_t GroupChannels() const { return problem_.sizes.geometry.channels / calls_.groups; }
  int64_t GroupOutputs() const { return problem_.sizes.outputs / calls_.groups; }
  int64_t GroupWeights() const { return problem_.weights.count() / calls_.groups; }
  size_t BiasBytes() const { return AlignUp(problem_.sizes.outputs * sizeof(float)); }

  ConvolutionProblem problem_;
  Arithmetic arithmetic_ = Arithmetic::kDirect;
  ConvolutionCalls calls_;
};

// Why there is no arithmetic for it that pays, or "".
std::string WhyNotPasses(const ConvolutionProblem& problem, Arithmetic arithmetic);

// Why the passes are none for the type or the shape of a layer's input, or "".
std::string WhyNotInput(const EngineQuery& query);

// The entries of a layer type whose layers are L(config, phase, arithmetic) and say why not by
// L::WhyNot(query, arithmetic). Of those that can take a layer, the first one does.
template <class L>
struct ConvolutionEngines {
  explicit ConvolutionEngines(const char* type)
      : bf16(Make(type, Arithmetic::kBFloat16, "", Precision::kBFloat16)),
        winograd(Make(type, Arithmetic::kWinograd, "WINOGRAD", Precision::kFloat32)),
        direct(Make(type, Arithmetic::kDirect, "", Precision::kFloat32)) {}

  static EngineRegistration Make(const char* type, Arithmetic arithmetic, const char* algorithm,
                                 Precision precision) {
    return {"ONEDNN",
            type,
            DeviceKind::kCpu,
            [=](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
              return std::make_unique<L>(config, phase, arithmetic);
            },
            [=](const EngineQuery& query) { return L::WhyNot(query, arithmetic); },
            algorithm,
            precision};
  }

  EngineRegistration bf16, winograd, direct;
};

}  // namespace crema::onednn
