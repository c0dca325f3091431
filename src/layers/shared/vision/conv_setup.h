// What Convolution, Deconvolution and Im2col read alike from proto ConvolutionParameter.
#pragma once

#include <string>

#include "crema/dev/conv_geometry.h"
#include "crema/dev/filler.h"
#include "crema/shape.h"

namespace crema {

namespace proto {
class ConvolutionParameter;
}

// The axis of the channels in an image of this shape; Error if `axis` is out of range or more
// than kMaxSpatialAxes axes follow it. `title` begins the sentence of every error here.
int ChannelAxis(const proto::ConvolutionParameter& parameter, const Shape& image,
                const std::string& title);

// Kernel, stride, pad and dilation for images with `axes` spatial axes (0 is allowed: a product of
// channels). Leaves channels, in and out alone. Throws Error if a field is given both once and
// as _h and _w, the wrong number of times, or as 0 where that makes no sense.
ConvGeometry ReadWindow(const proto::ConvolutionParameter& parameter, int axes,
                        const std::string& title);

// Sets channels and in from the shape, and out to
//   (in + 2 pad - (dilation (kernel - 1) + 1)) / stride + 1,
// the division rounding towards 0. Throws Error if that is below 1.
void SetImage(ConvGeometry* g, const Shape& image, int channel_axis, const std::string& title);

// Throws Error if the products of these sizes are too large: the weights for `outputs` channels, an
// image on either side, or all its windows.
void CheckProducts(const ConvGeometry& g, int64_t outputs, const std::string& title);

}  // namespace crema
