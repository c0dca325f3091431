#include "engines/onednn/convolution_calls.h"

#include <algorithm>
#include <utility>

#include "engines/onednn/primitives.h"

namespace crema::onednn {
namespace {

using dnnl::memory;
using Type = memory::data_type;

// Below these, preparing tiles and weights takes longer than the products that it saves.
constexpr int64_t kLeastWinogradPairs = 1024;  // of channels and outputs, in a group
constexpr int64_t kLeastWinogradTiles = 48;    // where weights are prepared for each pass
// With fewer the weights' gradient goes the direct way: the kernel works with several copies of the
// prepared weights, which take memory where a net, near its end, has most of its blobs.
constexpr int64_t kLeastGradientTiles = 200;

int64_t TilesOf(const ConvSizes& s) {
  int64_t tiles = s.images;
  for (int a = 0; a < s.geometry.axes; ++a) tiles *= (s.geometry.out[a] + 3) / 4;
  return tiles;
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

// Windows of one pixel with a step: only some pixels are looked at. oneDNN describes them where the
// last step is a whole one.
bool LeavesOutPixels(const ConvGeometry& g) {
  bool steps = false;
  for (int a = 0; a < g.axes; ++a) {
    if (g.kernel[a] != 1 || g.pad[a] != 0 || g.out[a] * g.stride[a] > g.in[a]) return false;
    steps = steps || g.stride[a] != 1;
  }
  return steps;
}

Shape With(Shape shape, int axis, int64_t extent) {
  std::vector<int64_t> dims = shape.dims();
  dims[axis] = extent;
  return Shape(dims);
}

bool IsSmallerThanWindow(const ConvGeometry& g) {
  bool is_smaller = false;
  for (int a = 0; a < g.axes; ++a) {
    is_smaller = is_smaller || g.in[a] < int64_t{g.dilation[a]} * (g.kernel[a] - 1) + 1;
  }
  return is_smaller;
}

// What one call works on: of Winograd's way some images of one group.
ConvolutionProblem OneCallOf(const ConvolutionProblem& all, Arithmetic arithmetic) {
  if (arithmetic != Arithmetic::kWinograd) return all;
  ConvolutionProblem one = all;
  const int groups = all.sizes.groups;
  one.sizes.geometry.channels /= groups;
  one.sizes.outputs /= groups;
  one.sizes.groups = 1;
  one.sizes.images = ImagesAtOnce(all.sizes);
  one.bottom = With(With(all.bottom, 0, one.sizes.images), 1, one.sizes.geometry.channels);
  one.top = With(With(all.top, 0, one.sizes.images), 1, one.sizes.outputs);
  one.weights = With(all.weights, 0, one.sizes.outputs);
  return one;
}

}  // namespace

// Makes descriptions from a problem. Kernels see `seen_bottom`: of windows of one pixel with a
// step, only the pixels that are looked at, side by side.
class ConvolutionCalls::Maker {
 public:
  Maker(const ConvolutionProblem& problem, Arithmetic arithmetic)
      : all_(problem),
        problem_(OneCallOf(problem, arithmetic)),
        winograd_(arithmetic == Arithmetic::kWinograd),
        factors_(arithmetic == Arithmetic::kBFloat16 ? Type::bf16 : Type::f32),
        leaves_out_(LeavesOutPixels(problem.sizes.geometry)),
        seen_bottom_(leaves_out_ ? With(problem_.top, 1, problem_.bottom[1]) : problem_.bottom) {}

  const ConvolutionProblem& one_call() const { return problem_; }
  bool leaves_out() const { return leaves_out_; }

  // As the layer's blobs are.
  memory::desc Bottom() const {
    const int* const steps = leaves_out_ ? sizes().geometry.stride : kOnes;
    return PartOf(all_.bottom, seen_bottom_, steps);
  }
  memory::desc SeenBottom() const { return ChannelsLast(seen_bottom_); }
  memory::desc Top() const { return PartOf(all_.top, problem_.top, kOnes); }
  memory::desc Weights() const { return Plain(problem_.weights, sizes().groups); }

  ConvolutionDesc ForwardDesc(const Epilogue& epilogue) const {
    ConvolutionDesc d = Describe(factors_, factors_, Type::f32);
    if (problem_.has_bias || epilogue.ChangesWeights()) d.bias = Plain(Shape{sizes().outputs});
    return d;
  }
  ConvolutionDesc DataDesc() const { return Describe(Type::f32, factors_, factors_); }
  ConvolutionDesc GradientDesc() const {
    ConvolutionDesc d = Describe(factors_, Type::f32, factors_);
    if (problem_.has_bias) d.bias = Plain(Shape{sizes().outputs});
    return d;
  }

  // Images, windows and results of one pixel.
  bool SeesOnePixel() const {
    const ConvGeometry& g = sizes().geometry;
    return sizes().groups == 1 && g.IsPointwise() && sizes().n() == 1;
  }

  // Images x channels by channels x outputs.
  InnerProductDesc ProductDesc(const Epilogue& epilogue) const {
    const int64_t channels = sizes().geometry.channels, outputs = sizes().outputs;
    InnerProductDesc d;
    d.src = Plain(Shape{sizes().images, channels});
    d.weights = AnyOrder(Shape{channels, outputs});
    if (problem_.has_bias || epilogue.ChangesWeights()) d.bias = Plain(Shape{1, outputs});
    d.dst = Plain(Shape{sizes().images, outputs});
    return d;
  }
  memory::desc ProductWeights() const {
    const int64_t channels = sizes().geometry.channels;
    return {memory::dims{channels, sizes().outputs}, Type::f32, memory::dims{1, channels}};
  }

  dnnl::convolution_forward::primitive_desc ForwardKernel(const Epilogue& epilogue) const {
    dnnl::primitive_attr attr = CallerScratchpad();
    attr.set_post_ops(PostOps(epilogue));
    return ConvolutionForward(ForwardDesc(epilogue), attr);
  }

  dnnl::convolution_backward_data::primitive_desc DataKernel(
      const dnnl::convolution_forward::primitive_desc& forward) const {
    return ConvolutionBackwardData(DataDesc(), CallerScratchpad(), forward);
  }

  dnnl::convolution_backward_weights::primitive_desc GradientKernel(
      const dnnl::convolution_forward::primitive_desc& forward) const {
    if (!GradientIsDirect()) {
      return ConvolutionBackwardWeights(GradientDesc(), CallerScratchpad(), forward);
    }
    const Maker direct(problem_, Arithmetic::kDirect);
    return direct.GradientKernel(direct.ForwardKernel({}));
  }

 private:
  const ConvSizes& sizes() const { return problem_.sizes; }

  // With factors of bfloat16, oneDNN 2.6 reads beyond an image that is smaller than the window.
  bool GradientIsDirect() const {
    const bool rounds = factors_ == Type::bf16;
    return (winograd_ && TilesOf(all_.sizes) < kLeastGradientTiles) ||
           (rounds && IsSmallerThanWindow(sizes().geometry));
  }

  // The pass with numbers of these types, weights in any order.
  ConvolutionDesc Describe(Type src, Type weights, Type dst) const {
    ConvolutionDesc d;
    d.src = winograd_ ? AnyOrder(problem_.bottom) : ChannelsLast(seen_bottom_, src);
    d.dst = winograd_ ? AnyOrder(problem_.top) : ChannelsLast(problem_.top, dst);
    d.weights = AnyOrder(problem_.weights, sizes().groups, weights);
    const ConvGeometry& g = sizes().geometry;
    for (int a = 0; a < g.axes; ++a) {
      d.strides.push_back(leaves_out_ ? 1 : g.stride[a]);
      d.dilations.push_back(g.dilation[a] - 1);
      d.pad_left.push_back(g.pad[a]);
      d.pad_right.push_back(g.pad[a]);
    }
    if (winograd_) d.algorithm = dnnl::algorithm::convolution_winograd;
    d.inference = winograd_ && problem_.phase == Phase::kTest;
    return d;
  }

  static constexpr int kOnes[] = {1, 1, 1};

  const ConvolutionProblem& all_;
  const ConvolutionProblem problem_;  // of one call
  const bool winograd_;
  const Type factors_;
  const bool leaves_out_;
  const Shape seen_bottom_;
};

namespace {

std::string WhyNotWinograd(const ConvSizes& s, Phase phase) {
  const ConvGeometry& g = s.geometry;
  bool fits = g.axes == 2;
  for (int a = 0; a < g.axes; ++a) {
    fits = fits && g.kernel[a] == 3 && g.stride[a] == 1 && g.dilation[a] == 1;
  }
  if (!fits) return "it needs 3 x 3 windows with stride 1";
  const int64_t channels = g.channels / s.groups, outputs = s.outputs / s.groups;
  if (channels * outputs < kLeastWinogradPairs) return "there are too few channels";
  if (s.groups > 1 && (channels % 16 != 0 || outputs % 16 != 0)) {
    return "it needs groups of 16, 32, ... channels";
  }
  if (phase == Phase::kTrain && TilesOf(s) < kLeastWinogradTiles) return "the images are too small";
  return "";
}

}  // namespace

std::string WhyNotArithmetic(const ConvolutionProblem& problem, Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kDirect: return "";
    case Arithmetic::kWinograd: return WhyNotWinograd(problem.sizes, problem.phase);
    case Arithmetic::kBFloat16:
      return HasBFloat16() ? "" : "this processor has no bfloat16 instructions";
  }
  return "";
}

std::string ConvolutionCalls::ForwardKernel(const ConvolutionProblem& problem,
                                            Arithmetic arithmetic, const Epilogue& epilogue) {
  try {
    const auto kernel = Maker(problem, arithmetic).ForwardKernel(epilogue);
    return kernel ? kernel.impl_info_str() : "";
  } catch (const dnnl::error&) {
    return "";
  }
}

namespace {

// Whether the weights' gradient is a product of two matrices, as of windows of one pixel, that
// oneDNN's sgemm adds up in Caffe's order faster than the kernel makes it in its own. The gradient
// of a bias costs another pass then.
bool ProductPays(const ConvolutionProblem& p) {
  const ConvGeometry& g = p.sizes.geometry;
  const bool is_product = p.sizes.groups == 1 && (g.IsPointwise() || LeavesOutPixels(g));
  return is_product && p.weights.count() >= (p.has_bias ? 1 << 17 : 1 << 15);
}

}  // namespace

std::string ConvolutionCalls::MakeData(const dnnl::convolution_backward_data::primitive_desc& data,
                                       const Maker& maker) {
  const std::string why_not = WhyNotUse(data, "the bottom's gradient");
  if (!why_not.empty()) return why_not;
  const memory::desc order = data.weights_desc();
  backward_data = {data,
                   {{DNNL_ARG_DIFF_DST, maker.Top(), data.diff_dst_desc()},
                    {DNNL_ARG_WEIGHTS, order, order},
                    {DNNL_ARG_DIFF_SRC, maker.Bottom(), data.diff_src_desc(), true}}};
  if (order == maker.Weights()) return "";
  pack_backward = Reorder(maker.Weights(), order);
  packed_backward = AlignUp(order.get_size());
  return "";
}

void ConvolutionCalls::MakeGather(const Maker& maker) {
  const memory::desc seen = maker.SeenBottom();
  gather = Reorder(maker.Bottom(), seen);
  gathered = AlignUp(seen.get_size());
}

std::string ConvolutionCalls::MakeGradient(
    const dnnl::convolution_backward_weights::primitive_desc& gradient, const Maker& maker) {
  const std::string why_not = WhyNotUse(gradient, "the weights' gradient");
  if (!why_not.empty()) return why_not;
  const memory::desc order = gradient.diff_weights_desc(), bias = maker.GradientDesc().bias;
  backward_weights = {gradient,
                      {{DNNL_ARG_SRC, maker.Bottom(), gradient.src_desc()},
                       {DNNL_ARG_DIFF_DST, maker.Top(), gradient.diff_dst_desc()},
                       {DNNL_ARG_DIFF_WEIGHTS, order, order},
                       {DNNL_ARG_DIFF_BIAS, bias, bias}}};
  packed_gradient = AlignUp(order.get_size());
  gradient_order_ = order;
  caffe_order_ = maker.Weights();
  return "";
}

// Instead of the forward kernel, which takes twice as long. Where oneDNN has none, that one stays.
void ConvolutionCalls::MakeProduct(const Maker& maker, const Epilogue& epilogue) try {
  dnnl::primitive_attr attr = CallerScratchpad();
  attr.set_post_ops(PostOps(epilogue));
  const InnerProductDesc d = maker.ProductDesc(epilogue);
  const auto kernel = Product(d, attr);
  if (!WhyNotUse(kernel, "the product").empty()) return;
  std::vector<ConvertingCall::Argument> arguments = {
      {DNNL_ARG_SRC, d.src, d.src},
      {DNNL_ARG_WEIGHTS, kernel.weights_desc(), kernel.weights_desc()},
      {DNNL_ARG_DST, d.dst, d.dst, true}};
  const bool has_bias = d.bias != memory::desc();  // a product refuses an empty one
  if (has_bias) arguments.push_back({DNNL_ARG_BIAS, d.bias, d.bias});
  Call pack = Reorder(maker.ProductWeights(), kernel.weights_desc());
  forward = {kernel, arguments};
  pack_forward = std::move(pack);
  packed_forward = AlignUp(kernel.weights_desc().get_size());
} catch (const dnnl::error&) {  // the forward kernel stays
}

void ConvolutionCalls::MakeGradientMoves() {
  if (gradient_is_product || packed_gradient == 0) return;
  add_weights = Reorder(gradient_order_, caffe_order_, true);
  write_weights = Reorder(gradient_order_, caffe_order_);
}

void ConvolutionCalls::MakeForwardBands(const ConvolutionProblem& problem, Arithmetic arithmetic,
                                        const Epilogue& epilogue) try {
  const bool is_one_image = problem.phase == Phase::kTest && problem.sizes.images == 1;
  if (!is_one_image || arithmetic == Arithmetic::kWinograd || leaves_out_pixels) return;
  const Maker maker(problem, arithmetic);
  dnnl::primitive_attr attr = CallerScratchpad();
  attr.set_post_ops(PostOps(epilogue));
  Bands made = MakeBands(problem.sizes.geometry, problem.bottom, problem.top,
                         maker.ForwardDesc(epilogue), attr);
  if (made.each.empty()) return;
  const bool packs = made.weights != maker.Weights();
  pack_forward = packs ? Reorder(maker.Weights(), made.weights) : Call();
  packed_forward = packs ? AlignUp(made.weights.get_size()) : 0;
  bands = std::move(made);
} catch (const dnnl::error&) {  // the forward kernel stays
}

std::string ConvolutionCalls::Make(const ConvolutionProblem& problem, Arithmetic arithmetic,
                                   const Epilogue& epilogue) try {
  const Maker maker(problem, arithmetic);
  const auto kernel = maker.ForwardKernel(epilogue);
  std::string why_not = WhyNotUse(kernel, "the forward pass");
  if (!why_not.empty()) return why_not;
  *this = {};
  images = maker.one_call().sizes.images;
  groups = problem.sizes.groups / maker.one_call().sizes.groups;
  leaves_out_pixels = maker.leaves_out();
  const memory::desc src = maker.Bottom(), dst = maker.Top(), caffe_order = maker.Weights();
  const memory::desc bias = maker.ForwardDesc(epilogue).bias;
  forward = {kernel,
             {{DNNL_ARG_SRC, src, kernel.src_desc()},
              {DNNL_ARG_WEIGHTS, kernel.weights_desc(), kernel.weights_desc()},
              {DNNL_ARG_BIAS, bias, bias},
              {DNNL_ARG_DST, dst, kernel.dst_desc(), true}}};
  if (arithmetic == Arithmetic::kDirect && maker.SeesOnePixel()) MakeProduct(maker, epilogue);
  if (packed_forward == 0 && kernel.weights_desc() != caffe_order) {
    pack_forward = Reorder(caffe_order, kernel.weights_desc());
    packed_forward = AlignUp(kernel.weights_desc().get_size());
  }
  if (problem.wants_data) why_not = MakeData(maker.DataKernel(kernel), maker);
  if (!why_not.empty() || !problem.wants_gradient) return why_not;
  gradient_is_product = arithmetic == Arithmetic::kDirect && ProductPays(problem);
  if (!gradient_is_product) return MakeGradient(maker.GradientKernel(kernel), maker);
  if (leaves_out_pixels) MakeGather(maker);
  return "";
} catch (const dnnl::error& error) {
  return error.what();
}

}  // namespace crema::onednn
