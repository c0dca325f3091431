// Reads MNIST's two files, images and labels, side by side.
//
// They are in the IDX format (LeCun): big-endian numbers magic, count, extents; then bytes. Plain
// or compressed with gzip.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace crema {

class IdxFile;

class MnistFiles {
 public:
  // Throws Error where a file cannot be read, is not of its kind, cannot hold as much as its
  // header says, has no images, or the two do not belong together.
  MnistFiles(const std::string& images_path, const std::string& labels_path);
  ~MnistFiles();

  // How many images there are, by the files' headers; as many labels.
  uint32_t count() const { return count_; }
  int rows() const { return rows_; }        // pixels of an image from top to bottom
  int columns() const { return columns_; }  // from left to right
  // A byte a pixel.
  uint64_t image_bytes() const { return uint64_t(rows_) * columns_; }

  // Appends the next image to `pixels`, row by row, image_bytes of them, and gives its label. After
  // the last one the files must be at their ends.
  void Read(std::string* pixels, int* label);

 private:
  std::unique_ptr<IdxFile> images_, labels_;
  uint32_t count_ = 0, read_ = 0;
  int rows_ = 0, columns_ = 0;
};

}  // namespace crema
