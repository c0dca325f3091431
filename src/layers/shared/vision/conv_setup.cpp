// How the options of convolutions become their geometry.
#include "layers/shared/vision/conv_setup.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/error.h"

namespace crema {
namespace {

// Sizes beyond this are typing errors; below it, sums of a few products stay within 63 bits.
constexpr uint32_t kMaxExtent = 1u << 24;

// One of the four fields in its two forms: `name: a [name: b ...]`, or pair_h and pair_w.
struct Field {
  const char* name;
  const char* pair;
  const google::protobuf::RepeatedField<uint32_t>& each;
  bool has_h, has_w;
  uint32_t h, w;
  int fallback;  // if nothing is given; below 0: it must be
  int least;
};

void Store(const Field& field, uint32_t value, const std::string& title, int* to) {
  CheckRange(title + ": " + field.name, value, field.least, kMaxExtent);
  *to = static_cast<int>(value);
}

void ReadPair(const Field& field, int axes, const std::string& title, int* to) {
  const std::string pair = Concat(field.pair, "_h and ", field.pair, "_w");
  if (axes != 2) {
    Fail(title, ": ", pair, " work only with two spatial axes, but the input has ", axes, "; give ",
         field.name, " once per axis");
  }
  if (field.each.size() > 0) {
    Fail(title, ": both ", field.name, " and ", pair, " are set; use only one form");
  }
  if (field.least > 0 && !(field.has_h && field.has_w)) {
    Fail(title, ": only one of ", pair, " is set; set both");
  }
  Store(field, field.h, title, to);
  Store(field, field.w, title, to + 1);
}

void Read(const Field& field, int axes, const std::string& title, int* to) {
  if (field.has_h || field.has_w) return ReadPair(field, axes, title, to);
  const int given = field.each.size();
  if (given == 0 && field.fallback < 0 && axes > 0) {
    Fail(title, ": ", field.name, " is missing; give it once, or once per spatial axis (", axes,
         ")");
  }
  if (given > 1 && given != axes) {
    Fail(title, ": ", field.name, " is given ", given, " times for ", axes,
         " spatial axes; give it once, or once per axis");
  }
  for (int a = 0; a < axes; ++a) {
    if (given == 0) {
      to[a] = field.fallback;
    } else {
      Store(field, field.each.Get(given == 1 ? 0 : a), title, to + a);
    }
  }
}

// The product of `count` and the sizes of all axes, which may be at most `most`.
int64_t Times(int64_t count, const ConvGeometry& g, const int* sizes, int64_t most,
              const std::string& what, const char* advice) {
  for (int a = 0; a < g.axes; ++a) {
    if (sizes[a] > most / std::max<int64_t>(count, 1)) {
      Fail(what, " than ", most, " values; use ", advice);
    }
    count *= sizes[a];
  }
  return count;
}

}  // namespace

void CheckProducts(const ConvGeometry& g, int64_t outputs, const std::string& title) {
  constexpr int64_t kMost = kMostElements, kMostPixels = std::numeric_limits<int>::max();
  const int64_t channels = std::max(g.channels, 1);
  Times(1, g, g.in, kMostPixels, title + ": a channel has more", "smaller images");
  Times(1, g, g.out, kMostPixels, title + ": a channel of the other side has more",
        "smaller images or a larger stride");
  const int64_t rows =
      Times(channels, g, g.kernel, kMostPixels, title + ": kernel_size makes windows of more",
            "a smaller kernel_size");
  Times(rows, g, g.out, kMost, title + ": all windows of an image have more",
        "a smaller kernel_size or a larger stride");
  if (rows > kMost / std::max<int64_t>(outputs, 1)) {
    Fail(title, ": num_output and kernel_size make more than ", kMost,
         " weights; use smaller ones");
  }
}

int ChannelAxis(const proto::ConvolutionParameter& parameter, const Shape& image,
                const std::string& title) {
  const int axis = image.CanonicalAxis(parameter.axis(), title + ": axis");
  if (image.rank() - axis - 1 > kMaxSpatialAxes) {
    Fail(title, ": the input ", image.ToString(), " has ", image.rank() - axis - 1,
         " spatial axes after axis ", axis, ", but at most ", kMaxSpatialAxes, " are supported");
  }
  return axis;
}

ConvGeometry ReadWindow(const proto::ConvolutionParameter& p, int axes, const std::string& title) {
  ConvGeometry g;
  g.axes = axes;
  const Field fields[] = {
      {"kernel_size", "kernel", p.kernel_size(), p.has_kernel_h(), p.has_kernel_w(), p.kernel_h(),
       p.kernel_w(), -1, 1},
      {"stride", "stride", p.stride(), p.has_stride_h(), p.has_stride_w(), p.stride_h(),
       p.stride_w(), 1, 1},
      {"pad", "pad", p.pad(), p.has_pad_h(), p.has_pad_w(), p.pad_h(), p.pad_w(), 0, 0},
      {"dilation", "", p.dilation(), false, false, 0, 0, 1, 1},
  };
  int* const to[] = {g.kernel, g.stride, g.pad, g.dilation};
  for (int i = 0; i < 4; ++i) Read(fields[i], axes, title, to[i]);
  return g;
}

void SetImage(ConvGeometry* g, const Shape& image, int channel_axis, const std::string& title) {
  for (int a = channel_axis; a < image.rank(); ++a) {
    if (image[a] > std::numeric_limits<int>::max() / 2) {
      Fail(title, ": the input ", image.ToString(), " is too large along axis ", a);
    }
  }
  g->channels = static_cast<int>(image[channel_axis]);
  for (int a = 0; a < g->axes; ++a) {
    g->in[a] = static_cast<int>(image[channel_axis + 1 + a]);
    const int64_t window = int64_t{g->dilation[a]} * (g->kernel[a] - 1) + 1;
    const int64_t padded = int64_t{g->in[a]} + 2 * g->pad[a];
    // Rounding towards 0, as Caffe: a window somewhat larger than the image sees zeros.
    const int64_t out = (padded - window) / g->stride[a] + 1;
    if (out < 1 || g->in[a] < 1) {
      Fail(title, ": the window covers ", window, " pixels along axis ", channel_axis + 1 + a,
           ", but the padded input ", image.ToString(), " has only ", padded,
           "; use a larger input or a smaller kernel_size or dilation");
    }
    g->out[a] = static_cast<int>(out);
  }
}

}  // namespace crema
