// Im2col and Col2im on the fake GPU: the definition, element by element.
#include "crema/dev/im2col.h"

#include <algorithm>

#include "device/fake.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

// Calls visit(column element, image element or -1 in the padding) for the whole column matrix.
template <class Visit>
void ForEachColumnElement(const ConvGeometry& g, const Visit& visit) {
  const int64_t out = g.OutCount(), taps = g.KernelCount(), in = g.InCount();
  for (int64_t element = 0; element < g.ColumnRows() * out; ++element) {
    int64_t position = element % out, tap = element / out % taps, pixel = 0, scale = 1;
    bool inside = true;
    for (int a = g.axes - 1; a >= 0; --a) {
      const int64_t at =
          position % g.out[a] * g.stride[a] - g.pad[a] + tap % g.kernel[a] * g.dilation[a];
      position /= g.out[a];
      tap /= g.kernel[a];
      inside = inside && at >= 0 && at < g.in[a];
      pixel += at * scale;
      scale *= g.in[a];
    }
    visit(element, inside ? element / out / taps * in + pixel : -1);
  }
}

}  // namespace

template <class T>
void Im2col(const Context& ctx, const ConvGeometry& g, const T* image, T* columns) {
  LaunchOnFake(ctx.device(), [=] {
    ForEachColumnElement(g, [=](int64_t element, int64_t pixel) {
      columns[element] = pixel < 0 ? T(0) : image[pixel];
    });
  });
}

template <class T>
void Col2im(const Context& ctx, const ConvGeometry& g, const T* columns, T* image) {
  LaunchOnFake(ctx.device(), [=] {
    std::fill(image, image + g.channels * g.InCount(), T(0));
    ForEachColumnElement(g, [=](int64_t element, int64_t pixel) {
      if (pixel >= 0) image[pixel] += columns[element];
    });
  });
}

template void Im2col<float>(const Context&, const ConvGeometry&, const float*, float*);
template void Im2col<double>(const Context&, const ConvGeometry&, const double*, double*);
template void Col2im<float>(const Context&, const ConvGeometry&, const float*, float*);
template void Col2im<double>(const Context&, const ConvGeometry&, const double*, double*);

}  // namespace CREMA_TARGET
}  // namespace crema
