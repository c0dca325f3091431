// Batches of the images that a text file lists.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/image_file.h"
#include "data/list_file.h"
#include "data/prefetcher.h"
#include "data/transformer.h"

namespace crema {

// What the batches of one ImageData layer have in common.
struct ImageBatchOptions {
  std::string owner;  // begins the sentences of errors
  std::string list;
  std::string root;                                        // put before each path
  std::shared_ptr<const std::vector<ListedImage>> images;  // which may be very many
  std::shared_ptr<const Transformer> transformer;
  ColorMode color = ColorMode::kColor;
  int new_height = 0, new_width = 0;
  ImageSize size;  // of every transformed image
  int batch_size = 0;
  bool shuffle = false;
  uint64_t random = 0;     // the root of all random numbers
  uint64_t rand_skip = 0;  // at the start leave out a random number of images, below this
  uint64_t position = 0;   // how many images earlier batches have used
  int workers = 1;
  std::shared_ptr<FlawLog> flaws = std::make_shared<FlawLog>();
};

// Goes through the images again and again. What Read and Make find wrong with an image they throw.
std::unique_ptr<BatchMaker> MakeImageBatches(const ImageBatchOptions& options);

// What image `index` of the list gives.
ImageSize InspectImage(const ImageBatchOptions& options, size_t index);

}  // namespace crema
