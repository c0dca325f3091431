// Turns images into the numbers that a net takes: y = (x - mean) * scale, cropped and mirrored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crema/dev/layer.h"
#include "data/datum.h"

namespace crema {

namespace proto {
class TransformationParameter;
}

// Any thread may call the const members.
class Transformer {
 public:
  // Reads the mean file, where there is one. `owner` begins the sentences of errors:
  // "layer 'data' (Data)".
  Transformer(const proto::TransformationParameter& config, Phase phase, std::string owner);

  // How to decode compressed images.
  ColorMode color() const { return color_; }

  // The size of the mean image; empty where there is none.
  const ImageSize& mean_size() const { return mean_size_; }

  // The size of what Transform makes of an image. Throws Error where the mean or the crop does
  // not fit it; `image_name()` says which image it is.
  template <class Name>
  ImageSize OutputSize(const ImageSize& image, const Name& image_name) const {
    if (!Fits(image)) FailToFit(image, image_name());
    return {image.channels, crop_ > 0 ? crop_ : image.height, crop_ > 0 ? crop_ : image.width};
  }

  // Writes channels x height x width numbers. What is random depends on (random, ordinal) alone;
  // `random` is MixKeys(seed, key). The image must have passed OutputSize.
  void Transform(const Image& image, uint64_t random, uint64_t ordinal, float* out) const;

 private:
  bool Fits(const ImageSize& image) const;
  [[noreturn]] void FailToFit(const ImageSize& image, const std::string& name) const;
  void LoadMean(const std::string& file);

  std::string owner_, mean_file_;
  Phase phase_;
  ColorMode color_ = ColorMode::kAsStored;
  float scale_ = 1;
  bool mirror_ = false;
  int crop_ = 0;
  std::vector<float> mean_values_;  // one, or one a channel
  ImageSize mean_size_;             // of the mean image
  std::vector<float> mean_image_;
};

}  // namespace crema
