#include "crema/predict/image.h"

#include <new>
#include <opencv2/core.hpp>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/base/error.h"
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
