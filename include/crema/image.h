// Image files as the numbers that a net takes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crema/shape.h"

namespace crema {

class Transformer;

// What is done to an image, in this order. The net's training decides: see the transform_param of
// its data layers.
struct ImageOptions {
  // Three channels (blue, green, red) or one (grey), whatever the file has.
  bool color = true;
  // The size that all images are brought to, bilinearly, without regard to their proportions. Both
  // 0: that of each file.
  int height = 0, width = 0;
  // Then only the middle crop x crop pixels are taken. 0: all.
  int crop = 0;
  // Subtracted from pixels, which are 0 to 255: one number, or one a channel (blue, green, red).
  // Or a mean image (`.binaryproto`) of the size before cropping. Only one of the two.
  std::vector<float> mean_values;
  std::string mean_file;
  // Multiplies what is left.
  float scale = 1;
};

// What ImageLoader gives. It owns its numbers.
struct LoadedImage {
  Shape shape;                // 1 x channels x height x width
  std::vector<float> values;  // in that order
  // What is wrong with a file that could be read all the same, as in "is truncated in row 8 of 64;
  // what is missing is grey"; mostly "".
  std::string flaw;
};

// Loads images that all get the same treatment; any thread may call Load. Reads JPEG files itself,
// and through OpenCV what that reads (PNG, BMP, PPM, TIFF, WebP); OpenCV may write a line of its
// own to standard error about a damaged file.
class ImageLoader {
 public:
  // Reads the mean file. Throws Error if that fails, or if the options make no sense.
  explicit ImageLoader(const ImageOptions& options);

  // Throws Error if the file cannot be read, does not fit the mean or the crop, or if memory runs
  // out.
  LoadedImage Load(const std::string& path) const;

 private:
  // Load without sentences for memory that has run out.
  LoadedImage LoadWhole(const std::string& path) const;

  ImageOptions options_;
  std::shared_ptr<const Transformer> transformer_;
};

// The same for a single image; reads the mean file each time.
LoadedImage LoadImage(const std::string& path, const ImageOptions& options = {});

}  // namespace crema
