// Makes databases from published data sets and from images: what `crema convert` does.
//
// All of these throw Error, and then leave no unfinished database behind, which they log, as they
// do their progress. Records and keys are those of Caffe's own tools, so Caffe reads the result.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "data/record_source.h"

namespace crema {

// Told now and then, by one thread, how many of all images are done. If it returns true, the work
// ends with an Error.
using StopRequest = std::function<bool(uint64_t done, uint64_t all)>;
// Throws Error if `stop` is there and says so.
void StopIfAsked(const StopRequest& stop, uint64_t done, uint64_t all);

// MNIST's IDX files, plain or compressed with gzip. Returns the number of records.
uint64_t ConvertMnist(const std::string& images, const std::string& labels,
                      const std::string& database, Backend backend, const StopRequest& stop = {});

// As many pairs of images as there are images, each drawn at random: 2 channels, one an image, and
// the label 1 where both show the same digit, else 0. For training siamese nets.
uint64_t ConvertMnistPairs(const std::string& images, const std::string& labels,
                           const std::string& database, Backend backend, uint64_t seed = 0,
                           const StopRequest& stop = {});

// The binary version of CIFAR-10: data_batch_1.bin to data_batch_5.bin and test_batch.bin in
// `folder`, or in its cifar-10-batches-bin. Makes cifar10_train_BACKEND and cifar10_test_BACKEND
// in `out_folder`. Each file must hold `images_per_file` images. Channels keep the files' order:
// red, green, blue.
void ConvertCifar10(const std::string& folder, const std::string& out_folder, Backend backend,
                    int images_per_file = 10000, const StopRequest& stop = {});

// How images become records.
struct ConvertImageOptions {
  int resize_height = 0, resize_width = 0;  // both above 0, or both 0: keep the size
  bool gray = false;                        // one channel instead of three
  bool rgb = false;                         // store red, green, blue; else blue, green, red
  // Store compressed images: the files as they are if decoding gives what is asked for, else
  // compressed anew.
  bool encoded = false;
  // The kind of compressed image, such as "jpg"; empty: that of each file. Implies `encoded`.
  std::string encode_type;
  bool check_size = false;  // an image of another size than the first is a bad one
  bool skip_bad = false;    // leave bad images out, and list them; else the first one is an Error
  bool shuffle = false;
  uint64_t seed = 0;  // of the shuffle

  // Whether records are compressed images instead of pixels.
  bool encodes() const { return encoded || !encode_type.empty(); }
};

// `list_file` is as ReadImageList takes it, with paths relative to `root`. Truncated JPEGs are
// stored with a warning. Returns the number of records.
uint64_t ConvertImageSet(const std::string& root, const std::string& list_file,
                         const std::string& database, Backend backend,
                         const ConvertImageOptions& options, const StopRequest& stop = {});

// `folder` holds a folder of images for each class. Classes are numbered from 0 in the order of
// their names, which go into the file classes.txt in the database's folder. Returns the number of
// records.
uint64_t ConvertFolder(const std::string& folder, const std::string& database, Backend backend,
                       const ConvertImageOptions& options, const StopRequest& stop = {});

}  // namespace crema
