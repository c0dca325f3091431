// Batches of windows cut out of images, as R-CNN trains on (Girshick, Donahue, Darrell, Malik:
// "Rich feature hierarchies for accurate object detection and semantic segmentation", 2014).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/prefetcher.h"

namespace crema {

// Corners in pixels, both within the window.
struct ImageWindow {
  size_t image;
  int label;
  int x1, y1, x2, y2;
};

// A window file: for each image "# INDEX", its path, channels, height and width, the number of
// windows, and the windows "LABEL OVERLAP X1 Y1 X2 Y2".
struct WindowList {
  std::vector<std::string> images;  // paths
  std::vector<ImageWindow> foreground, background;
};

// Windows that overlap an object by fg_threshold or more are foreground, by less than bg_threshold
// background, with the label 0. Throws Error, beginning with `owner`, where the file is missing,
// empty, ends early or makes no sense; it names the image.
WindowList ReadWindowList(const std::string& path, const std::string& root, float fg_threshold,
                          float bg_threshold, const std::string& owner);

struct WindowBatchOptions {
  std::string owner;  // begins the sentences of errors
  WindowList windows;
  std::vector<std::string> files;  // contents of the images; empty: they are read when needed
  int batch_size = 0, crop_size = 0, context_pad = 0;
  float fg_fraction = 0;
  bool square = false, mirror = false;
  float scale = 1;
  std::vector<float> mean_values;  // none, one, or one a channel
  std::vector<float> mean_image;   // 3 x mean_height x mean_width, or none
  int mean_height = 0, mean_width = 0;
  uint64_t random = 0;    // the root of all random numbers
  uint64_t position = 0;  // how many windows earlier batches have used
  int workers = 1;
};

// First the background's windows of a batch, then the foreground's. Which ones depends on `random`
// and the batch's number alone.
std::unique_ptr<BatchMaker> MakeWindowBatches(const WindowBatchOptions& options);

}  // namespace crema
