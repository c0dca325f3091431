// The sizes of a convolution's windows.
#pragma once

#include <cstdint>

namespace crema {

// A convolution's images may have so many axes besides samples and channels.
constexpr int kMaxSpatialAxes = 6;

// One image; plain data, passed by value to kernels. Units are pixels.
struct ConvGeometry {
  int channels = 0;
  int axes = 0;                        // spatial axes in use, 1..kMaxSpatialAxes
  int in[kMaxSpatialAxes] = {};        // of the image
  int out[kMaxSpatialAxes] = {};       // how many windows there are
  int kernel[kMaxSpatialAxes] = {};    // pixels of a window
  int stride[kMaxSpatialAxes] = {};    // from one window to the next
  int pad[kMaxSpatialAxes] = {};       // before and after the image
  int dilation[kMaxSpatialAxes] = {};  // from one pixel of a window to the next; 1: neighbours

  // Pixels of one channel of the image.
  int64_t InCount() const { return Product(in); }
  // Windows: the columns of the column matrix.
  int64_t OutCount() const { return Product(out); }
  // Pixels that a window takes from one channel.
  int64_t KernelCount() const { return Product(kernel); }
  // Rows of the column matrix.
  int64_t ColumnRows() const { return channels * KernelCount(); }
  // 1x1 windows at stride 1 without padding: the column matrix is the image itself.
  bool IsPointwise() const {
    for (int a = 0; a < axes; ++a) {
      if (kernel[a] != 1 || stride[a] != 1 || pad[a] != 0) return false;
    }
    return true;
  }

 private:
  // Of the axes in use; `sizes` is one of the arrays above.
  int64_t Product(const int* sizes) const {
    int64_t product = 1;
    for (int a = 0; a < axes; ++a) product *= sizes[a];
    return product;
  }
};

}  // namespace crema
