// Rows of the datasets in a list of HDF5 files, for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/record_stream.h"

namespace crema {

class Hdf5File;

// Dataset i of every file has rows of one shape; all datasets of a file have as many rows. Used by
// one thread at a time.
class Hdf5Rows {
 public:
  // `list` is a text file with the name of an HDF5 file in each line. `random` is the key of the
  // order; used only to shuffle. Looks into every file, and throws Error where one does not fit.
  Hdf5Rows(const std::string& list, std::vector<std::string> datasets, bool shuffle,
           const std::string& owner);
  ~Hdf5Rows();

  // The extents of a row of dataset i, without the axis of the rows.
  const std::vector<int64_t>& row_shape(size_t i) const { return row_shapes_[i]; }

  // Of all files.
  uint64_t count() const;
  // Of memory: the values of one file are there at a time, and their order if it is shuffled. As
  // much as the largest file needs, or half of what a size_t holds if that is less.
  size_t bytes() const;

  // Begins anew after `ordinal` rows; the order depends on `random` and the epoch alone.
  void Seek(uint64_t random, uint64_t ordinal);
  // Appends the next row of each dataset to rows[i].
  void Next(std::vector<std::vector<float>>* rows);

 private:
  void Inspect(size_t file);
  void Load(size_t place);
  void ReadValues(size_t file);
  void NewEpoch();

  std::string owner_;
  std::vector<std::string> files_, datasets_;
  bool shuffle_;
  std::vector<uint64_t> row_counts_;  // by file
  std::vector<std::vector<int64_t>> row_shapes_;
  uint64_t random_ = 0, epoch_ = 0;
  std::vector<size_t> file_order_;  // of the epoch
  size_t place_ = 0;                // in file_order_
  uint64_t row_ = 0;                // of the file there
  size_t loaded_ = SIZE_MAX;        // which file `values_` is of
  std::vector<bool> was_read_;      // by file: the library can read it
  std::vector<std::vector<float>> values_;
  std::unique_ptr<ShuffledOrder> row_order_;
};

}  // namespace crema
