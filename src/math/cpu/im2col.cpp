#include "crema/dev/im2col.h"

#include <algorithm>
#include <cstring>

#include "crema/dev/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

// Output positions o with 0 <= o * stride + offset < in, as [first, last).
struct Range {
  int first, last;
};
Range Inside(int offset, int stride, int in, int out) {
  const int first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int last = in <= offset ? 0 : (in - offset - 1) / stride + 1;
  return {std::min(first, out), std::max(std::min(first, out), std::min(last, out))};
}

// Walks the rows (runs along the last axis) of the column matrix's row `k` of one channel.
// visit(row, image_row or -1) gets the index of the output row and of the input row it reads.
template <class Visit>
void ForEachRun(const ConvGeometry& g, const int* tap, const Visit& visit) {
  int64_t runs = 1;
  for (int a = 0; a + 1 < g.axes; ++a) runs *= g.out[a];
  for (int64_t run = 0; run < runs; ++run) {
    int64_t rest = run, image_row = 0, scale = 1;
    bool inside = true;
    for (int a = g.axes - 2; a >= 0; --a) {
      const int at =
          static_cast<int>(rest % g.out[a]) * g.stride[a] - g.pad[a] + tap[a] * g.dilation[a];
      rest /= g.out[a];
      inside = inside && at >= 0 && at < g.in[a];
      image_row += at * scale;
      scale *= g.in[a];
    }
    visit(run, inside ? image_row : -1);
  }
}

void DecodeTap(const ConvGeometry& g, int64_t index, int* tap) {
  for (int a = g.axes - 1; a >= 0; --a) {
    tap[a] = static_cast<int>(index % g.kernel[a]);
    index /= g.kernel[a];
  }
}

template <class T>
void UnfoldRow(const ConvGeometry& g, int64_t k, const T* channel, T* out) {
  int tap[kMaxSpatialAxes];
  DecodeTap(g, k, tap);
  const int last = g.axes - 1, width = g.out[last], stride = g.stride[last];
  const int offset = tap[last] * g.dilation[last] - g.pad[last];
  const Range x = Inside(offset, stride, g.in[last], width);
  ForEachRun(g, tap, [&](int64_t run, int64_t image_row) {
    T* to = out + run * width;
    if (image_row < 0) {
      std::fill(to, to + width, T(0));
      return;
    }
    const T* from = channel + image_row * g.in[last] + offset;
    std::fill(to, to + x.first, T(0));
    if (stride == 1) {
      std::copy(from + x.first, from + x.last, to + x.first);
    } else {
      for (int i = x.first; i < x.last; ++i) to[i] = from[i * stride];
    }
    std::fill(to + x.last, to + width, T(0));
  });
}

template <class T>
void FoldRow(const ConvGeometry& g, int64_t k, const T* columns, T* channel) {
  int tap[kMaxSpatialAxes];
  DecodeTap(g, k, tap);
  const int last = g.axes - 1, width = g.out[last], stride = g.stride[last];
  const int offset = tap[last] * g.dilation[last] - g.pad[last];
  const Range x = Inside(offset, stride, g.in[last], width);
  ForEachRun(g, tap, [&](int64_t run, int64_t image_row) {
    if (image_row < 0) return;
    const T* from = columns + run * width;
    T* to = channel + image_row * g.in[last] + offset;
    if (stride == 1) {
      for (int i = x.first; i < x.last; ++i) to[i] += from[i];
    } else {
      for (int i = x.first; i < x.last; ++i) to[i * stride] += from[i];
    }
  });
}

}  // namespace

template <class T>
void Im2col(const Context&, const ConvGeometry& g, const T* image, T* columns) {
  const int64_t taps = g.KernelCount(), out = g.OutCount(), in = g.InCount();
#pragma omp parallel for schedule(static) if (parallel : WorthThreads(g.ColumnRows() * out))
  for (int64_t row = 0; row < g.ColumnRows(); ++row) {
    UnfoldRow(g, row % taps, image + row / taps * in, columns + row * out);
  }
}

template <class T>
void Col2im(const Context&, const ConvGeometry& g, const T* columns, T* image) {
  const int64_t taps = g.KernelCount(), out = g.OutCount(), in = g.InCount();
#pragma omp parallel for schedule(static) if (parallel : WorthThreads(g.ColumnRows() * out))
  for (int c = 0; c < g.channels; ++c) {
    T* channel = image + c * in;
    std::fill(channel, channel + in, T(0));
    for (int64_t k = 0; k < taps; ++k) FoldRow(g, k, columns + (c * taps + k) * out, channel);
  }
}

template void Im2col<float>(const Context&, const ConvGeometry&, const float*, float*);
template void Im2col<double>(const Context&, const ConvGeometry&, const double*, double*);
template void Col2im<float>(const Context&, const ConvGeometry&, const float*, float*);
template void Col2im<double>(const Context&, const ConvGeometry&, const double*, double*);

}  // namespace CREMA_TARGET
}  // namespace crema
