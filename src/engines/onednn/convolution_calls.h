// The oneDNN primitives of a convolution, forward and backward, in one of three arithmetics, and
// what they need of memory. Where their arguments lie otherwise than the layer's blobs (another
// order, other numbers, some pixels only) they are copied on the way.
#pragma once

#include <string>

#include "crema/dev/layer.h"
#include "engines/onednn/bands.h"
#include "engines/onednn/call.h"
#include "engines/shared/epilogue.h"
#include "layers/shared/vision/convolution.h"

namespace crema::onednn {

enum class Arithmetic {
  kDirect,
  // For kernels of 3 x 3: a tile of 4 x 4 results from 36 products a channel, where the direct way
  // takes 144 (Lavin and Gray: "Fast algorithms for convolutional neural networks", 2016). Its
  // rounding errors are several times as large.
  kWinograd,
  // Factors are rounded to bfloat16, sums have 32 bits.
  kBFloat16,
};

struct ConvolutionProblem {
  ConvSizes sizes;
  Shape bottom, top, weights;
  bool has_bias = false;
  Phase phase = Phase::kTrain;
  // Whether the gradient of the bottom (of the parameters) will be asked for.
  bool wants_data = true, wants_gradient = true;
};

// Why the arithmetic does not pay for the problem, or is none for it, or ""; beside what Make says.
std::string WhyNotArithmetic(const ConvolutionProblem& problem, Arithmetic arithmetic);

// Everything that follows from the shapes, without the calls that nobody will ask for. A call works
// on `images` images and, where `groups` is above 1, on one group of that many: a part of the
// channels, whose weights and biases are its own. Packed: in the order and the numbers that the
// kernel likes; sizes in bytes, of one group, 0: Caffe's are taken. dx has to be zeros before
// backward_data where `leaves_out_pixels`.
//
// The weights' gradient is made packed by backward_weights; add_weights adds it to Caffe's, or
// write_weights writes it there. Where `gradient_is_product`, it is instead the product dy^T x of
// the matrices of pixels by channels, with x the result of `gather`, of `gathered` bytes, where
// that is not 0.
class ConvolutionCalls {
 public:
  // Returns why oneDNN cannot, or "".
  std::string Make(const ConvolutionProblem& problem, Arithmetic arithmetic,
                   const Epilogue& epilogue);

  // After Make, where the calls will be run: add_weights and write_weights. Describing a call takes
  // its time, and whether there is one was told before.
  void MakeGradientMoves();

  // After Make, where the calls will be run: bands, if they can be made of it.
  void MakeForwardBands(const ConvolutionProblem& problem, Arithmetic arithmetic,
                        const Epilogue& epilogue);

  // The kernel that a forward pass with this epilogue would run; "" where there is none.
  static std::string ForwardKernel(const ConvolutionProblem& problem, Arithmetic arithmetic,
                                   const Epilogue& epilogue);

  Call pack_forward, pack_backward, add_weights, write_weights, gather;
  ConvertingCall forward, backward_data, backward_weights;
  Bands bands;  // instead of `forward`, where there are some
  size_t packed_forward = 0, packed_backward = 0, packed_gradient = 0, gathered = 0;
  int64_t images = 0;
  int groups = 1;
  bool leaves_out_pixels = false;
  bool gradient_is_product = false;

 private:
  class Maker;
  void MakeProduct(const Maker& maker, const Epilogue& epilogue);
  std::string MakeData(const dnnl::convolution_backward_data::primitive_desc& data,
                       const Maker& maker);
  void MakeGather(const Maker& maker);
  std::string MakeGradient(const dnnl::convolution_backward_weights::primitive_desc& gradient,
                           const Maker& maker);

  dnnl::memory::desc gradient_order_, caffe_order_;  // of the weights' gradient
};

}  // namespace crema::onednn
