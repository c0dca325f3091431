#include "engines/onednn/convolution_calls.h"

#include <algorithm>

#include "engines/onednn/primitives.h"

namespace crema::onednn {
namespace {

using dnnl::memory;
using Type = memory::data_type;

// Below these, preparing tiles and weights takes longer than the products that it saves.
constexpr int64_t kLeastWinogradPairs = 1024;  // of channels and outputs
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

Shape WithImages(const Shape& shape, int64_t images) {
  std::vector<int64_t> dims = shape.dims();
  dims[0] = images;
  return Shape(dims);
}

// Makes descriptions from a problem. Kernels see `seen_bottom`: of windows of one pixel with a
// step, only the pixels that are looked at, side by side.
class Maker {
 public:
  Maker(const ConvolutionProblem& problem, Arithmetic arithmetic)
      : problem_(problem),
        winograd_(arithmetic == Arithmetic::kWinograd),
        factors_(arithmetic == Arithmetic::kBFloat16 ? Type::bf16 : Type::f32),
        leaves_out_(LeavesOutPixels(problem.sizes.geometry)) {
    const int64_t at_once = winograd_ ? ImagesAtOnce(problem.sizes) : problem.sizes.images;
    bottom_ = WithImages(problem.bottom, at_once);
    top_ = WithImages(problem.top, at_once);
    seen_bottom_ = bottom_;
    if (!leaves_out_) return;
    std::vector<int64_t> dims = top_.dims();
    dims[1] = bottom_[1];
    seen_bottom_ = Shape(dims);
  }

  int64_t at_once() const { return bottom_[0]; }
  bool leaves_out() const { return leaves_out_; }

  // As the layer's blobs are.
  memory::desc Bottom() const {
    if (!leaves_out_) return ChannelsLast(bottom_);
    return EveryFew(bottom_, seen_bottom_, problem_.sizes.geometry.stride);
  }
  memory::desc Top() const { return ChannelsLast(top_); }
  memory::desc Weights() const { return Plain(problem_.weights, problem_.sizes.groups); }

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

  dnnl::convolution_forward::primitive_desc ForwardKernel(const Epilogue& epilogue) const {
    dnnl::primitive_attr attr = CallerScratchpad();
    attr.set_post_ops(epilogue.PostOps());
    return ConvolutionForward(ForwardDesc(epilogue), attr);
  }

  dnnl::convolution_backward_data::primitive_desc DataKernel(
      const dnnl::convolution_forward::primitive_desc& forward) const {
    return ConvolutionBackwardData(DataDesc(), CallerScratchpad(), forward);
  }

  dnnl::convolution_backward_weights::primitive_desc GradientKernel(
      const dnnl::convolution_forward::primitive_desc& forward) const {
    if (!winograd_ || TilesOf(sizes()) >= kLeastGradientTiles) {
      return ConvolutionBackwardWeights(GradientDesc(), CallerScratchpad(), forward);
    }
    // So few tiles are one call, so this describes the same images.
    const Maker direct(problem_, Arithmetic::kDirect);
    return direct.GradientKernel(direct.ForwardKernel({}));
  }

 private:
  const ConvSizes& sizes() const { return problem_.sizes; }

  // The pass with numbers of these types, weights in any order.
  ConvolutionDesc Describe(Type src, Type weights, Type dst) const {
    ConvolutionDesc d;
    d.src = winograd_ ? AnyOrder(bottom_) : ChannelsLast(seen_bottom_, src);
    d.dst = winograd_ ? AnyOrder(top_) : ChannelsLast(top_, dst);
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

  const ConvolutionProblem& problem_;
  const bool winograd_;
  const Type factors_;
  const bool leaves_out_;
  Shape bottom_, top_, seen_bottom_;
};

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

}  // namespace

std::string WhyNotArithmetic(const ConvolutionProblem& problem, Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kDirect: return "";
    case Arithmetic::kWinograd: return WhyNotWinograd(problem.sizes, problem.phase);
    case Arithmetic::kBFloat16:
      return HasBFloat16() ? "" : "this processor has no instructions for bfloat16";
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

std::string ConvolutionCalls::Make(const ConvolutionProblem& problem, Arithmetic arithmetic,
                                   const Epilogue& epilogue) try {
  const Maker maker(problem, arithmetic);
  const auto kernel = maker.ForwardKernel(epilogue);
  std::string why_not = WhyNotUse(kernel, "the forward pass");
  if (!why_not.empty()) return why_not;
  const auto data = maker.DataKernel(kernel);
  why_not = WhyNotUse(data, "the bottom's gradient");
  if (!why_not.empty()) return why_not;
  const auto gradient = maker.GradientKernel(kernel);
  why_not = WhyNotUse(gradient, "the weights' gradient");
  if (!why_not.empty()) return why_not;

  *this = {};
  at_once = maker.at_once();
  leaves_out_pixels = maker.leaves_out();
  const memory::desc src = maker.Bottom(), dst = maker.Top(), caffe_order = maker.Weights();
  const memory::desc bias = maker.ForwardDesc(epilogue).bias;
  const memory::desc bias_gradient = maker.GradientDesc().bias;
  const memory::desc gradient_order = gradient.diff_weights_desc();
  forward = {kernel,
             {{DNNL_ARG_SRC, src, kernel.src_desc()},
              {DNNL_ARG_WEIGHTS, kernel.weights_desc(), kernel.weights_desc()},
              {DNNL_ARG_BIAS, bias, bias},
              {DNNL_ARG_DST, dst, kernel.dst_desc(), true}}};
  backward_data = {data,
                   {{DNNL_ARG_DIFF_DST, dst, data.diff_dst_desc()},
                    {DNNL_ARG_WEIGHTS, data.weights_desc(), data.weights_desc()},
                    {DNNL_ARG_DIFF_SRC, src, data.diff_src_desc(), true}}};
  backward_weights = {gradient,
                      {{DNNL_ARG_SRC, src, gradient.src_desc()},
                       {DNNL_ARG_DIFF_DST, dst, gradient.diff_dst_desc()},
                       {DNNL_ARG_DIFF_WEIGHTS, gradient_order, gradient_order},
                       {DNNL_ARG_DIFF_BIAS, bias_gradient, bias_gradient}}};
  const auto pack = [&](const memory::desc& order, Call* call, size_t* bytes) {
    if (order == caffe_order) return;
    *call = Reorder(caffe_order, order);
    *bytes = AlignUp(order.get_size());
  };
  pack(kernel.weights_desc(), &pack_forward, &packed_forward);
  pack(data.weights_desc(), &pack_backward, &packed_backward);
  packed_gradient = AlignUp(gradient_order.get_size());
  add_weights = Reorder(gradient_order, caffe_order, true);
  return "";
} catch (const dnnl::error& error) {
  return error.what();
}

}  // namespace crema::onednn
