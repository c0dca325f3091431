// Im2col and Col2im on CUDA. Both gather: every element of the result is made by one thread, so
// nothing is added from two sides.
#include "base/checked.h"
#include "crema/dev/for_each.h"
#include "crema/dev/im2col.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

int ToInt(int64_t size) { return CheckedInt(size, "the number of pixels of an image"); }

// kAxes is g.axes where that is 1, 2 or 3, so that the loops unroll; else 0.
template <class T, int kAxes>
void Unfold(const Context& ctx, const ConvGeometry& g, const T* image, T* columns) {
  const int taps = ToInt(g.KernelCount()), out = ToInt(g.OutCount());
  const int64_t in = g.InCount();
  ForEach(ctx, g.ColumnRows(), out, [=] HD(int64_t row, int col) {
    int tap = static_cast<int>(row % taps), position = col;
    int64_t pixel = row / taps * in, scale = 1;
    bool inside = true;
#pragma unroll
    for (int a = (kAxes > 0 ? kAxes : g.axes) - 1; a >= 0; --a) {
      const int at =
          position % g.out[a] * g.stride[a] - g.pad[a] + tap % g.kernel[a] * g.dilation[a];
      position /= g.out[a];
      tap /= g.kernel[a];
      inside = inside && at >= 0 && at < g.in[a];
      pixel += at * scale;
      scale *= g.in[a];
    }
    columns[row * out + col] = inside ? image[pixel] : T(0);
  });
}

template <class T, int kAxes>
void Fold(const Context& ctx, const ConvGeometry& g, const T* columns, T* image) {
  const int taps = ToInt(g.KernelCount()), in = ToInt(g.InCount());
  const int64_t out = g.OutCount();
  ForEach(ctx, g.channels, in, [=] HD(int64_t channel, int pixel) {
    const T* rows = columns + channel * taps * out;
    T sum = 0;
    for (int k = 0; k < taps; ++k) {
      int tap = k, rest = pixel;
      int64_t position = 0, scale = 1;
      bool hit = true;
#pragma unroll
      for (int a = (kAxes > 0 ? kAxes : g.axes) - 1; a >= 0; --a) {
        const int from = rest % g.in[a] + g.pad[a] - tap % g.kernel[a] * g.dilation[a];
        rest /= g.in[a];
        tap /= g.kernel[a];
        const int at = from / g.stride[a];
        hit = hit && from >= 0 && at * g.stride[a] == from && at < g.out[a];
        position += at * scale;
        scale *= g.out[a];
      }
      if (hit) sum += rows[k * out + position];
    }
    image[channel * in + pixel] = sum;
  });
}

}  // namespace

template <class T>
void Im2col(const Context& ctx, const ConvGeometry& g, const T* image, T* columns) {
  switch (g.axes) {
    case 1: return Unfold<T, 1>(ctx, g, image, columns);
    case 2: return Unfold<T, 2>(ctx, g, image, columns);
    case 3: return Unfold<T, 3>(ctx, g, image, columns);
    default: return Unfold<T, 0>(ctx, g, image, columns);
  }
}

template <class T>
void Col2im(const Context& ctx, const ConvGeometry& g, const T* columns, T* image) {
  switch (g.axes) {
    case 1: return Fold<T, 1>(ctx, g, columns, image);
    case 2: return Fold<T, 2>(ctx, g, columns, image);
    case 3: return Fold<T, 3>(ctx, g, columns, image);
    default: return Fold<T, 0>(ctx, g, columns, image);
  }
}

template void Im2col<float>(const Context&, const ConvGeometry&, const float*, float*);
template void Im2col<double>(const Context&, const ConvGeometry&, const double*, double*);
template void Col2im<float>(const Context&, const ConvGeometry&, const float*, float*);
template void Col2im<double>(const Context&, const ConvGeometry&, const double*, double*);

}  // namespace CREMA_TARGET
}  // namespace crema
