// One image for several processors: each makes some rows of what a convolution makes of it, the
// same share of the rows in every layer. What it reads is then, but for the rows next to it, what
// it wrote itself: where two processors do not share a cache the other's would take long to get.
#pragma once

#include <vector>

#include "crema/dev/conv_geometry.h"
#include "engines/onednn/call.h"
#include "engines/onednn/primitives.h"

namespace crema::onednn {

struct Band {
  ConvertingCall forward;
  int64_t bottom, top;  // numbers before its first row
};

// The forward pass that `whole` describes, for one image; all bands take weights in the order of
// `weights`. None where one thread plans, there are too few rows to share, or oneDNN has no kernel.
struct Bands {
  std::vector<Band> each;
  dnnl::memory::desc weights;
  size_t scratch_bytes = 0;  // of one band
};
Bands MakeBands(const ConvGeometry& geometry, const Shape& bottom, const Shape& top,
                const ConvolutionDesc& whole, const dnnl::primitive_attr& attr);

}  // namespace crema::onednn
