// Convolution by oneDNN, in channels-last. Weights and their gradients stay in Caffe's order; the
// order that the kernels like is made from it for each pass, or, where nothing learns, whenever
// the weights have changed. Layers that follow may become a part of it (epilogue.h).
//
// The engine WINOGRAD is the same with another arithmetic for kernels of 3 x 3: a tile of 4 x 4
// results from 36 products a channel, where the plain way takes 144 (Lavin and Gray: "Fast
// algorithms for convolutional neural networks", 2016). Its rounding errors are several times as
// large.
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
  onednn::Call pack_forward, pack_backward, add_weights;
  onednn::ConvertingCall forward, backward_data, backward_weights;
  size_t packed_forward = 0, packed_backward = 0, packed_gradient = 0;  // bytes; 0: Caffe's order
};

// Below these, preparing tiles and weights takes longer than the products that it saves.
constexpr int64_t kLeastWinogradPairs = 1024;  // of channels and outputs
constexpr int64_t kLeastWinogradTiles = 48;    // where weights are prepared for each pass
// With fewer the weights' gradient goes the plain way: the kernel works with several copies of the
// prepared weights, which take memory where a net, near its end, has most of its blobs.
constexpr int64_t kLeastGradientTiles = 200;

int64_t TilesOf(const ConvSizes& s) {
  int64_t tiles = s.images;
  for (int a = 0; a < s.geometry.axes; ++a) tiles *= (s.geometry.out[a] + 3) / 4;
  return tiles;
}

// Why Winograd's way does not pay, or is none, or "".
std::string WhyNotWinograd(const ConvSizes& s, Phase phase) {
  const ConvGeometry& g = s.geometry;
  bool fits = g.axes == 2 && s.groups == 1;
  for (int a = 0; a < g.axes; ++a) {
    fits = fits && g.kernel[a] == 3 && g.stride[a] == 1 && g.dilation[a] == 1;
  }
  if (!fits) return "it wants windows of 3 x 3 with a step of 1, in one group";
  if (int64_t{g.channels} * s.outputs < kLeastWinogradPairs) return "there are too few channels";
  if (phase == Phase::kTrain && TilesOf(s) < kLeastWinogradTiles) return "the images are too small";
  return "";
}

// Images that Winograd's way takes at once: as few as fill its products, since what it works with
// is several times as large as the images.
int64_t ImagesAtOnce(const ConvSizes& s) {
  constexpr int64_t kEnoughTiles = 384;
  const int64_t tiles = TilesOf(s) / s.images;
  int64_t images = std::min(s.images, (kEnoughTiles + tiles - 1) / tiles);
  while (s.images % images != 0) ++images;
  return images;
}

Shape WithImages(const Shape& shape, int64_t images) {
  std::vector<int64_t> dims = shape.dims();
  dims[0] = images;
  return Shape(dims);
}

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
  OnednnConvolutionLayer(const proto::LayerParameter& config, Phase phase, bool winograd)
      : ConvolutionBase(config, phase), prefers_winograd_(winograd) {}

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
    std::string why_not = MakeCalls(prefers_winograd_);
    if (!why_not.empty() && prefers_winograd_) why_not = MakeCalls(false);
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
  static std::string WhyNot(const EngineQuery& query, bool winograd) {
    if (query.dtype != DType::kFloat32) return "it has float32 only";
    if (query.bottoms.empty()) return "there is no bottom";
    const Shape& bottom = query.bottoms[0];
    if (bottom.rank() < 3 || bottom.rank() > 5) return "it wants 1 to 3 spatial axes";
    OnednnConvolutionLayer probe(query.config, query.phase, false);
    if (ChannelAxis(probe.options(), bottom, probe.Title()) != 1) return "it wants axis: 1";
    probe.Plan(query.bottoms, query.dtype);
    if (probe.sizes_.images == 0) return "the batch is empty";
    const std::string why_not = winograd ? WhyNotWinograd(probe.sizes_, query.phase) : "";
    return why_not.empty() ? probe.MakeCalls(winograd) : why_not;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (sizes_.images == 0) return;
    char* scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    const float* weights = param(0).data<float>();
    const float* bias = Bias<float>();
    char* rest = scratch;
    if (KeepsWeights()) {
      KeepWeights(scratch);
      weights = state(0).data<float>();
      if (epilogue_.ChangesWeights()) bias = state(1).data<float>();
    } else if (calls_.packed_forward > 0) {
      weights = Pack(&calls_.pack_forward, weights, scratch, scratch + calls_.packed_forward);
      rest = scratch + calls_.packed_forward;
    }
    for (size_t i = 0; i < bottom.size(); ++i) {
      const float* x = bottom[i]->data<float>();
      float* y = top[i]->mutable_data<float>();
      for (int64_t image = 0; image < sizes_.images; image += at_once_) {
        calls_.forward.Run({{DNNL_ARG_SRC, x + image * sizes_.BottomCount()},
                            {DNNL_ARG_WEIGHTS, weights},
                            {DNNL_ARG_BIAS, bias},
                            {DNNL_ARG_DST, y + image * sizes_.TopCount()}},
                           rest);
      }
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
      if (!wants_gradient(0) && !(has_bias && wants_gradient(1))) continue;
      for (int64_t image = 0; image < sizes_.images; image += at_once_) {
        WeightGradients(ctx, bottom[i]->data<float>() + image * sizes_.BottomCount(),
                        dy + image * sizes_.TopCount(), scratch);
      }
    }
    if (std::none_of(propagate_down.begin(), propagate_down.end(), [](bool p) { return p; }))
      return;
    const float* weights = param(0).data<float>();
    if (calls_.packed_backward > 0) {
      weights = Pack(&calls_.pack_backward, weights, scratch, scratch + calls_.packed_backward);
    }
    for (size_t i = 0; i < top.size(); ++i) {
      if (!propagate_down[i]) continue;
      const float* dy = top[i]->diff<float>();
      float* dx = bottom[i]->mutable_diff<float>();
      for (int64_t image = 0; image < sizes_.images; image += at_once_) {
        calls_.backward_data.Run({{DNNL_ARG_DIFF_DST, dy + image * sizes_.TopCount()},
                                  {DNNL_ARG_WEIGHTS, weights},
                                  {DNNL_ARG_DIFF_SRC, dx + image * sizes_.BottomCount()}},
                                 scratch + calls_.packed_backward);
      }
    }
  }

  double ForwardFlops() const override {
    return 2.0 * pairs_ * sizes_.images * sizes_.WeightCount() * sizes_.n();
  }

 private:
  onednn::ConvolutionDesc DescribeWith(const onednn::Epilogue& epilogue, bool winograd) const {
    const Shape bottom = WithImages(bottom_, at_once_), top = WithImages(top_, at_once_);
    onednn::ConvolutionDesc d =
        Describe(sizes_, bottom, top, weights_, options().bias_term() || epilogue.ChangesWeights());
    if (!winograd) return d;
    d.src = onednn::AnyOrder(bottom);
    d.dst = onednn::AnyOrder(top);
    d.algorithm = dnnl::algorithm::convolution_winograd;
    d.inference = phase() == Phase::kTest;
    return d;
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
      const auto kernel = ForwardKernel(DescribeWith(epilogue, uses_winograd_), epilogue);
      return kernel ? kernel.impl_info_str() : "";
    } catch (const dnnl::error&) {
      return "";
    }
  }

  // Returns why oneDNN cannot, or "".
  std::string MakeCalls(bool winograd) {
    uses_winograd_ = winograd;
    at_once_ = winograd ? ImagesAtOnce(sizes_) : sizes_.images;
    try {
      return MakeCalls(DescribeWith(epilogue_, winograd), onednn::Plain(weights_, sizes_.groups));
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
    const auto gradient = GradientKernel(d, forward);
    why_not = onednn::WhyNotUse(gradient, "the weights' gradient");
    if (!why_not.empty()) return why_not;

    const memory::desc src = onednn::ChannelsLast(WithImages(bottom_, at_once_));
    const memory::desc dst = onednn::ChannelsLast(WithImages(top_, at_once_));
    calls_ = {};
    kept_.clear();
    calls_.forward = {forward,
                      {{DNNL_ARG_SRC, src, forward.src_desc()},
                       {DNNL_ARG_WEIGHTS, forward.weights_desc(), forward.weights_desc()},
                       {DNNL_ARG_BIAS, d.bias, d.bias},
                       {DNNL_ARG_DST, dst, forward.dst_desc(), true}}};
    calls_.backward_data = {data,
                            {{DNNL_ARG_DIFF_DST, dst, data.diff_dst_desc()},
                             {DNNL_ARG_WEIGHTS, data.weights_desc(), data.weights_desc()},
                             {DNNL_ARG_DIFF_SRC, src, data.diff_src_desc(), true}}};
    const memory::desc gradient_order = gradient.diff_weights_desc();
    calls_.backward_weights = {gradient,
                               {{DNNL_ARG_SRC, src, gradient.src_desc()},
                                {DNNL_ARG_DIFF_DST, dst, gradient.diff_dst_desc()},
                                {DNNL_ARG_DIFF_WEIGHTS, gradient_order, gradient_order},
                                {DNNL_ARG_DIFF_BIAS, d.bias, d.bias}}};
    const auto pack = [&](const memory::desc& order, onednn::Call* call, size_t* bytes) {
      if (order == caffe_order) return;
      *call = onednn::Reorder(caffe_order, order);
      *bytes = onednn::AlignUp(order.get_size());
    };
    pack(forward.weights_desc(), &calls_.pack_forward, &calls_.packed_forward);
    pack(data.weights_desc(), &calls_.pack_backward, &calls_.packed_backward);
    calls_.packed_gradient = onednn::AlignUp(gradient_order.get_size());
    calls_.add_weights = onednn::Reorder(gradient_order, caffe_order, true);
    return "";
  }

  dnnl::convolution_backward_weights::primitive_desc GradientKernel(
      const onednn::ConvolutionDesc& d,
      const dnnl::convolution_forward::primitive_desc& forward) const {
    const dnnl::primitive_attr attr = onednn::CallerScratchpad();
    if (!uses_winograd_ || TilesOf(sizes_) >= kLeastGradientTiles) {
      return onednn::ConvolutionBackwardWeights(d, attr, forward);
    }
    // So few tiles are one call, so this describes the same images.
    const onednn::ConvolutionDesc plain = DescribeWith(epilogue_, false);
    return onednn::ConvolutionBackwardWeights(plain, attr, ForwardKernel(plain, {}));
  }

  size_t BiasBytes() const { return onednn::AlignUp(sizes_.outputs * sizeof(float)); }

  size_t ScratchBytes() const {
    const size_t bytes[] = {
        calls_.packed_forward + calls_.forward.scratch_bytes(),
        calls_.packed_forward + calls_.pack_forward.scratchpad_bytes(),
        FoldedBytes() + calls_.pack_forward.scratchpad_bytes(),
        calls_.packed_backward + calls_.pack_backward.scratchpad_bytes(),
        calls_.packed_backward + calls_.backward_data.scratch_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.backward_weights.scratch_bytes(),
        calls_.packed_gradient + BiasBytes() + calls_.add_weights.scratchpad_bytes(),
    };
    return *std::max_element(std::begin(bytes), std::end(bytes));
  }

  // Weights that learn change before each pass, so that keeping them would only take memory.
  bool KeepsWeights() const {
    return phase() == Phase::kTest && (calls_.packed_forward > 0 || epilogue_.ChangesWeights());
  }
  size_t KeptBytes() const { return std::max(calls_.packed_forward, PlainBytes()); }
  size_t FoldedBytes() const { return epilogue_.ChangesWeights() ? PlainBytes() : 0; }
  size_t PlainBytes() const { return onednn::AlignUp(weights_.count() * sizeof(float)); }

  static const float* Pack(onednn::Call* pack, const float* from, void* to, void* scratchpad) {
    pack->Run({{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, scratchpad}});
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
    if (calls_.packed_forward == 0) return;
    Pack(&calls_.pack_forward, weights, kept, scratch + FoldedBytes());
  }

  // Adds to the gradients that are wanted of the weights and the bias.
  void WeightGradients(const Context& ctx, const float* x, const float* dy, char* scratch) {
    float* bias = reinterpret_cast<float*>(scratch + calls_.packed_gradient);
    calls_.backward_weights.Run({{DNNL_ARG_SRC, x},
                                 {DNNL_ARG_DIFF_DST, dy},
                                 {DNNL_ARG_DIFF_WEIGHTS, scratch},
                                 {DNNL_ARG_DIFF_BIAS, bias}},
                                scratch + calls_.packed_gradient + BiasBytes());
    if (params().size() > 1 && wants_gradient(1)) {
      AddParts<float>(ctx, sizes_.outputs, 1, bias, param(1).mutable_diff<float>());
    }
    if (!wants_gradient(0)) return;
    calls_.add_weights.Run({{DNNL_ARG_FROM, scratch},
                            {DNNL_ARG_TO, param(0).mutable_diff<float>()},
                            {DNNL_ARG_SCRATCHPAD, scratch + calls_.packed_gradient + BiasBytes()}});
  }

  const bool prefers_winograd_;
  bool uses_winograd_ = false;  // where the shapes allow it
  ConvSizes sizes_;
  int64_t at_once_ = 0;  // images in one call
  int pairs_ = 1;
  ConvolutionCalls calls_;
  Shape bottom_, top_, weights_;
  onednn::Epilogue epilogue_;
  bool reader_does_relu_ = false;
  std::vector<std::pair<const void*, uint64_t>> kept_;  // what the kept weights were made of
};

// Where both can take a layer, the first one does.
EngineRegistration Register(const char* engine, bool winograd) {
  return {engine, "Convolution", DeviceKind::kCpu,
          [winograd](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
            return std::make_unique<OnednnConvolutionLayer>(config, phase, winograd);
          },
          [winograd](const EngineQuery& query) {
            return OnednnConvolutionLayer::WhyNot(query, winograd);
          }};
}

const EngineRegistration winograd_registration = Register("WINOGRAD", true);
const EngineRegistration registration = Register("ONEDNN", false);

}  // namespace
}  // namespace crema
