// Batches of windows cut out of images, as R-CNN trains on (Girshick, Donahue, Darrell, Malik:
// "Rich feature hierarchies for accurate object detection and semantic segmentation", 2014).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/flaw_log.h"
#include "data/prefetcher.h"
#include "data/window_list.h"
#include "data/window_place.h"

namespace crema {

struct WindowBatchOptions {
  std::string owner;                          // begins the sentences of errors
  std::shared_ptr<const WindowList> windows;  // which may be very many
  // Contents of the images; null: they are read when needed.
  std::shared_ptr<const std::vector<std::string>> files;
  int batch_size = 0;
  WindowShape shape;
  float fg_fraction = 0;
  bool mirror = false;
  float scale = 1;
  std::vector<float> mean_values;  // none, one, or one a channel
  std::vector<float> mean_image;   // 3 x mean_height x mean_width, or none
  int mean_height = 0, mean_width = 0;
  uint64_t random = 0;    // the root of all random numbers
  uint64_t position = 0;  // how many windows earlier batches have used
  int workers = 1;
  std::shared_ptr<FlawLog> flaws = std::make_shared<FlawLog>();
};

// First the background's windows of a batch, then the foreground's. Which ones depends on `random`
// and the batch's number alone.
std::unique_ptr<BatchMaker> MakeWindowBatches(const WindowBatchOptions& options);

}  // namespace crema
