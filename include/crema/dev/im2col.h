// Unfolds the windows of a convolution into the columns of a matrix, and back.
#pragma once

#include <array>

#include "crema/context.h"
#include "crema/dev/conv_geometry.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// image: channels x in[0] x in[1]...; columns: (channels * kernel[0] * kernel[1]...) x
// (out[0] * out[1]...). Positions in the padding read as 0.
template <class T>
void Im2col(const Context& ctx, const ConvGeometry& g, const T* image, T* columns);

// The transpose of Im2col: writes the sum of all columns that came from a pixel to that pixel.
template <class T>
void Col2im(const Context& ctx, const ConvGeometry& g, const T* columns, T* image);

}  // namespace CREMA_TARGET
}  // namespace crema
