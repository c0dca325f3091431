#include "engines/onednn/bands.h"

#include <algorithm>

#include "crema/dev/host_tasks.h"

namespace crema::onednn {
namespace {

using dnnl::memory;

Shape WithRows(const Shape& image, int64_t rows) {
  std::vector<int64_t> dims = image.dims();
  dims[2] = rows;
  return Shape(dims);
}

// Along the first spatial axis: results from `first` to before `last`, and what they are made of.
struct Rows {
  int64_t first, last;
  int64_t in_first, in_last;
  int64_t pad_before, pad_behind;
};

Rows RowsOf(const ConvGeometry& g, int64_t first, int64_t last) {
  const int64_t reach = int64_t{g.dilation[0]} * (g.kernel[0] - 1) + 1;
  const int64_t begin = first * g.stride[0] - g.pad[0];
  const int64_t end = (last - 1) * g.stride[0] - g.pad[0] + reach;
  const int64_t in_first = std::max<int64_t>(begin, 0);
  const int64_t in_last = std::min<int64_t>(end, g.in[0]);
  return {first, last, in_first, in_last, in_first - begin, end - in_last};
}

ConvolutionDesc Describe(const Rows& rows, const Shape& bottom, const Shape& top,
                         const ConvolutionDesc& whole) {
  ConvolutionDesc d = whole;
  d.src = ChannelsLast(WithRows(bottom, rows.in_last - rows.in_first), whole.src.data_type());
  d.dst = ChannelsLast(WithRows(top, rows.last - rows.first), whole.dst.data_type());
  d.pad_left[0] = rows.pad_before;
  d.pad_right[0] = rows.pad_behind;
  return d;
}

}  // namespace

Bands MakeBands(const ConvGeometry& geometry, const Shape& bottom, const Shape& top,
                const ConvolutionDesc& whole, const dnnl::primitive_attr& attr) {
  const int64_t rows = top[2], threads = HostThreads();
  const int64_t most = (rows + threads - 1) / threads;  // of a band
  if (threads == 1 || 10 * most * threads > 11 * rows) return {};
  const PlansForThreads plan(1);
  Bands bands;
  for (int64_t t = 0; t < threads; ++t) {
    const Rows own = RowsOf(geometry, rows * t / threads, rows * (t + 1) / threads);
    if (own.in_first >= own.in_last) return {};  // padding only
    ConvolutionDesc d = Describe(own, bottom, top, whole);
    if (t > 0) d.weights = bands.weights;
    const auto kernel = ConvolutionForward(d, attr);
    if (!WhyNotUse(kernel, "a band").empty()) return {};
    bands.weights = kernel.weights_desc();
    const Shape in = WithRows(bottom, own.in_last - own.in_first);
    const Shape out = WithRows(top, own.last - own.first);
    bands.each.push_back({{kernel,
                           {{DNNL_ARG_SRC, ChannelsLast(in), kernel.src_desc()},
                            {DNNL_ARG_WEIGHTS, bands.weights, bands.weights},
                            {DNNL_ARG_BIAS, d.bias, d.bias},
                            {DNNL_ARG_DST, ChannelsLast(out), kernel.dst_desc(), true}}},
                          own.in_first * bottom.CountFrom(3) * bottom[1],
                          own.first * top.CountFrom(3) * top[1]});
    bands.scratch_bytes =
        std::max(bands.scratch_bytes, AlignUp(bands.each.back().forward.scratch_bytes()));
  }
  return bands;
}

}  // namespace crema::onednn
