// The sizes of a convolution's windows.
#pragma once

#include <cstdint>

namespace crema {

constexpr int kMaxSpatialAxes = 6;

// One image; plain data, passed by value to kernels. Units are pixels.
struct ConvGeometry {
  int channels = 0;
  int axes = 0;  // spatial axes in use, 1..kMaxSpatialAxes
  int in[kMaxSpatialAxes] = {};
  int out[kMaxSpatialAxes] = {};
  int kernel[kMaxSpatialAxes] = {};
  int stride[kMaxSpatialAxes] = {};
  int pad[kMaxSpatialAxes] = {};
  int dilation[kMaxSpatialAxes] = {};

  int64_t InCount() const { return Product(in); }
  int64_t OutCount() const { return Product(out); }
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
  int64_t Product(const int* sizes) const {
    int64_t product = 1;
    for (int a = 0; a < axes; ++a) product *= sizes[a];
    return product;
  }
};

}  // namespace crema
