#include "data/transformer.h"

#include <climits>
#include <utility>

#include "base/counted.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/philox.h"
#include "crema/error.h"
#include "schema/weights_io.h"

namespace crema {
namespace {

// The part of an image that is wanted, and how.
struct Window {
  ImageSize in;
  int top, left, height, width;
  bool mirror;
  float scale;
};

// One row. kStride is the distance of neighbours in `in`; `mean` is one number, or one a pixel.
template <int kStride, class T>
void TransformRow(const T* in, float mean, float scale, int width, float* out) {
  for (int x = 0; x < width; ++x) out[x] = (static_cast<float>(in[x * kStride]) - mean) * scale;
}
template <int kStride, class T>
void TransformRow(const T* in, const float* mean, float scale, int width, float* out) {
  for (int x = 0; x < width; ++x) out[x] = (static_cast<float>(in[x * kStride]) - mean[x]) * scale;
}
template <int kStride, class T>
void TransformMirroredRow(const T* in, float mean, float scale, int width, float* out) {
  float* last = out + width - 1;
  for (int x = 0; x < width; ++x) last[-x] = (static_cast<float>(in[x * kStride]) - mean) * scale;
}
template <int kStride, class T>
void TransformMirroredRow(const T* in, const float* mean, float scale, int width, float* out) {
  float* last = out + width - 1;
  for (int x = 0; x < width; ++x) {
    last[-x] = (static_cast<float>(in[x * kStride]) - mean[x]) * scale;
  }
}

// kStride is 1 for planes (channels x height x width), else the number of interleaved channels.
// `mean_of(channel, row)` gives a number, or the address of a row of the mean image at the window.
template <int kStride, class T, class MeanOf>
void TransformWindow(const T* in, const Window& w, const MeanOf& mean_of, float* out) {
  const int64_t plane = kStride > 1 ? 1 : int64_t{w.in.height} * w.in.width;
  for (int c = 0; c < w.in.channels; ++c) {
    for (int y = 0; y < w.height; ++y, out += w.width) {
      const int64_t pixel = int64_t{w.top + y} * w.in.width + w.left;
      const T* row = in + c * plane + pixel * kStride;
      if (w.mirror) {
        TransformMirroredRow<kStride>(row, mean_of(c, y), w.scale, w.width, out);
      } else {
        TransformRow<kStride>(row, mean_of(c, y), w.scale, w.width, out);
      }
    }
  }
}

template <class MeanOf>
void TransformImage(const Image& image, const Window& window, const MeanOf& mean_of, float* out) {
  if (image.floats != nullptr) return TransformWindow<1>(image.floats, window, mean_of, out);
  if (!image.interleaved) return TransformWindow<1>(image.bytes, window, mean_of, out);
  switch (image.size.channels) {
    case 2: return TransformWindow<2>(image.bytes, window, mean_of, out);
    case 3: return TransformWindow<3>(image.bytes, window, mean_of, out);
    case 4: return TransformWindow<4>(image.bytes, window, mean_of, out);
    default: CREMA_CHECK(false, image.size.channels, " interleaved channels");
  }
}

// What the random numbers of a record are for.
enum Draw : uint64_t { kMirrorDraw, kTopDraw, kLeftDraw };

}  // namespace

Transformer::Transformer(const proto::TransformationParameter& config, Phase phase,
                         std::string owner)
    : owner_(std::move(owner)),
      phase_(phase),
      scale_(config.scale()),
      mirror_(config.mirror()),
      mean_values_(config.mean_value().begin(), config.mean_value().end()) {
  if (config.force_color() && config.force_gray()) {
    Fail(owner_, ": transform_param sets both force_color and force_gray; set only one of them");
  }
  if (config.force_color()) color_ = ColorMode::kColor;
  if (config.force_gray()) color_ = ColorMode::kGray;
  CheckRange(owner_ + ": crop_size", config.crop_size(), 0, INT_MAX);
  crop_ = static_cast<int>(config.crop_size());
  if (!config.has_mean_file()) return;
  if (!mean_values_.empty()) {
    Fail(owner_, ": transform_param sets both mean_file and mean_value; set only one of them");
  }
  LoadMean(config.mean_file());
}

void Transformer::LoadMean(const std::string& file) {
  SavedBlob mean = ReadMeanFile(file);
  const std::vector<int64_t>& shape = mean.shape;
  bool fits = shape.size() == 3 || (shape.size() == 4 && shape[0] == 1);
  for (int64_t extent : shape) fits = fits && extent <= INT_MAX;
  if (!fits) {
    Fail(owner_, ": the mean file '", InFile(file), "' has shape ", Shape(shape).ToString(),
         ", expected one image, 1 x channels x height x width; make it with `crema mean`");
  }
  const int64_t* extent = shape.data() + (shape.size() - 3);
  mean_file_ = file;
  mean_size_ = {static_cast<int>(extent[0]), static_cast<int>(extent[1]),
                static_cast<int>(extent[2])};
  mean_image_ = std::move(mean.data);
}

bool Transformer::Fits(const ImageSize& image) const {
  if (image.height < crop_ || image.width < crop_) return false;
  if (!mean_image_.empty()) return image == mean_size_;
  return mean_values_.size() <= 1 || mean_values_.size() == static_cast<size_t>(image.channels);
}

void Transformer::FailToFit(const ImageSize& image, const std::string& name) const {
  if (image.height < crop_ || image.width < crop_) {
    Fail(owner_, ": crop_size is ", crop_, ", but ", name, " is only ", image.height, " high and ",
         image.width, " wide; use a smaller crop_size or larger images");
  }
  if (!mean_image_.empty()) {
    Fail(owner_, ": the mean file '", InFile(mean_file_), "' is ", mean_size_.ToString(), ", but ",
         name, " is ", image.ToString(),
         " (channels x height x width); bring the images to the size of the mean (ImageData by "
         "new_height and new_width, `crema convert` by --resize_height and --resize_width), make "
         "the mean file from these images with `crema mean`, or use mean_value");
  }
  Fail(owner_, ": mean_value is given ", mean_values_.size(), " times, but ", name, " has ",
       Counted(image.channels, "channel"), "; give it once, or once per channel");
}

void Transformer::Transform(const Image& image, uint64_t random, uint64_t ordinal,
                            float* out) const {
  const ImageSize& in = image.size;
  Window window = {in, 0, 0, in.height, in.width, false, scale_};
  window.mirror = mirror_ && RandomBelow(random, ordinal, kMirrorDraw, 2) == 1;
  if (crop_ > 0) {
    const int free_rows = in.height - crop_, free_columns = in.width - crop_;
    const auto draw = [&](Draw which, int free) {
      return static_cast<int>(RandomBelow(random, ordinal, which, static_cast<uint32_t>(free + 1)));
    };
    const bool anywhere = phase_ == Phase::kTrain;
    window.top = anywhere ? draw(kTopDraw, free_rows) : free_rows / 2;
    window.left = anywhere ? draw(kLeftDraw, free_columns) : free_columns / 2;
    window.height = window.width = crop_;
  }
  if (!mean_image_.empty()) {
    const float* mean = mean_image_.data() + int64_t{window.top} * in.width + window.left;
    TransformImage(
        image, window, [&](int c, int y) { return mean + (int64_t{c} * in.height + y) * in.width; },
        out);
  } else {
    TransformImage(
        image, window,
        [&](int c, int) {
          return mean_values_.empty() ? 0.0f : mean_values_[mean_values_.size() == 1 ? 0 : c];
        },
        out);
  }
}

}  // namespace crema
