#include "crema/image.h"

#include <cmath>
#include <new>
#include <opencv2/core.hpp>

#include "base/counted.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "data/image_file.h"
#include "data/transformer.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

void CheckOptions(const ImageOptions& options) {
  constexpr int64_t kMost = 1 << 16;
  CheckRange("ImageOptions::height", options.height, 0, kMost);
  CheckRange("ImageOptions::width", options.width, 0, kMost);
  CheckRange("ImageOptions::crop", options.crop, 0, kMost);
  if ((options.height > 0) != (options.width > 0)) {
    Fail("ImageOptions: height is ", options.height, " and width is ", options.width,
         "; set both, or neither to keep the size of the file");
  }
  if (!std::isfinite(options.scale) || options.scale == 0) {
    Fail("ImageOptions::scale is ", options.scale, ", but must be a number other than 0");
  }
  for (float value : options.mean_values) {
    if (std::isfinite(value)) continue;
    Fail("ImageOptions::mean_values has ", value, ", but each must be a finite number");
  }
  if (!options.mean_values.empty() && !options.mean_file.empty()) {
    Fail("ImageOptions has both mean_values and a mean_file; set only one of them");
  }
}

proto::TransformationParameter ConfigOf(const ImageOptions& options) {
  proto::TransformationParameter config;
  config.set_crop_size(static_cast<uint32_t>(options.crop));
  config.set_scale(options.scale);
  for (float value : options.mean_values) config.add_mean_value(value);
  if (!options.mean_file.empty()) config.set_mean_file(options.mean_file);
  return config;
}

std::string Size(int height, int width) { return Concat(height, " high and ", width, " wide"); }

// What the transformer would say in the words of transform_param. `image`: after resizing.
void CheckFits(const ImageOptions& options, const ImageSize& mean, const std::string& path,
               const ImageSize& image) {
  const int crop = options.crop;
  if (image.height < crop || image.width < crop) {
    Fail("the image ", path, " is ", Size(image.height, image.width),
         ", too small for ImageOptions::crop (", crop,
         "); set a smaller crop, or height and width");
  }
  const bool has_mean = mean.count() > 0;
  if (has_mean && mean.channels != image.channels) {
    Fail("the mean file ", options.mean_file, " has ", Counted(mean.channels, "channel"),
         ", but the image ", path, " is loaded with ", image.channels,
         "; set ImageOptions::color to ", mean.channels == 1 ? "false" : "true",
         ", or use the mean file of the net's training");
  }
  if (has_mean && mean != image) {
    Fail("the mean file ", options.mean_file, " is ", Size(mean.height, mean.width),
         ", but the image ", path, " is ", Size(image.height, image.width),
         "; set ImageOptions::height to ", mean.height, " and width to ", mean.width,
         ", the size of the images in training before they were cropped");
  }
  const size_t values = options.mean_values.size();
  if (values > 1 && values != static_cast<size_t>(image.channels)) {
    Fail("ImageOptions::mean_values has ", values, " numbers, but the image ", path, " has ",
         Counted(image.channels, "channel"), "; give one number, or one per channel");
  }
}

}  // namespace

ImageLoader::ImageLoader(const ImageOptions& options) : options_(options) {
  CheckOptions(options_);
  transformer_ =
      std::make_shared<Transformer>(ConfigOf(options_), Phase::kTest, "loading an image");
}

LoadedImage ImageLoader::Load(const std::string& path) const {
  try {
    return LoadWhole(path);
  } catch (const std::bad_alloc&) {
    Fail("the image ", path, ": out of memory; use a smaller size");
  } catch (const cv::Exception& exception) {
    Fail("the image ", path, ": OpenCV failed (", exception.err, "); use a smaller size");
  }
}

LoadedImage ImageLoader::LoadWhole(const std::string& path) const {
  ImageFileDecoder decoder(options_.color ? ColorMode::kColor : ColorMode::kGray, options_.height,
                           options_.width, std::make_shared<FlawLog>());
  LoadedImage loaded;
  const Image& image = decoder.Decode(ReadFileBytes(path, Accept::kFile),
                                      "cannot decode the image " + path, &loaded.flaw);
  CheckFits(options_, transformer_->mean_size(), path, image.size);
  const auto name = [&] { return "the image " + path; };
  const ImageSize size = transformer_->OutputSize(image.size, name);
  loaded.shape = Shape{1, size.channels, size.height, size.width};
  loaded.values.resize(static_cast<size_t>(size.count()));
  transformer_->Transform(image, 0, 0, loaded.values.data());  // nothing of it is random
  return loaded;
}

LoadedImage LoadImage(const std::string& path, const ImageOptions& options) {
  return ImageLoader(options).Load(path);
}

}  // namespace crema
