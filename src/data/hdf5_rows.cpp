#include "data/hdf5_rows.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "crema/dev/philox.h"
#include "crema/error.h"
#include "crema/shape.h"
#include "data/list_file.h"
#include "schema/hdf5_io.h"

namespace crema {
namespace {

constexpr uint64_t kFileSalt = 0x66696C65ull, kRowSalt = 0x726F7773ull;

constexpr char kWanted[] = "a text file with the name of one HDF5 file per line";

}  // namespace

Hdf5Rows::Hdf5Rows(const std::string& list, std::vector<std::string> datasets, bool shuffle,
                   const std::string& owner)
    : owner_(owner),
      files_(ReadFileList(list, kWanted, owner)),
      datasets_(std::move(datasets)),
      shuffle_(shuffle),
      row_shapes_(datasets_.size()),
      was_read_(files_.size()) {
  for (size_t f = 0; f < files_.size(); ++f) {
    TryAndRead(files_[f], [&] { Inspect(f); });
  }
  if (count() == 0) {
    Fail(owner_, ": the files in ", list, " contain no rows");
  }
}

Hdf5Rows::~Hdf5Rows() = default;

uint64_t Hdf5Rows::count() const {
  return std::accumulate(row_counts_.begin(), row_counts_.end(), uint64_t{0});
}

size_t Hdf5Rows::bytes() const {
  double row = shuffle_ ? sizeof(uint32_t) : 0;
  for (const std::vector<int64_t>& shape : row_shapes_) {
    row += static_cast<double>(Shape(shape).count()) * sizeof(float);
  }
  const uint64_t rows = *std::max_element(row_counts_.begin(), row_counts_.end());
  constexpr double kMost = 9223372036854775808.0;
  return static_cast<size_t>(std::min(row * static_cast<double>(rows), kMost));
}

void Hdf5Rows::Inspect(size_t f) {
  const Hdf5File file = Hdf5File::Open(files_[f]);
  for (size_t d = 0; d < datasets_.size(); ++d) {
    if (!file.Has(datasets_[d])) {
      Fail(owner_, ": ", files_[f], " has no dataset '", datasets_[d],
           "'; each top needs a dataset of the same name");
    }
    const std::vector<int64_t> shape = file.Shape(datasets_[d]);
    const std::string name = Concat(owner_, ": dataset '", datasets_[d], "' of ", files_[f]);
    if (shape.empty()) Fail(name, " is a scalar, but axis 0 must be the rows");
    const std::vector<int64_t> row(shape.begin() + 1, shape.end());
    if (f == 0) row_shapes_[d] = row;
    if (row != row_shapes_[d]) {
      Fail(name, " has rows of shape ", Shape(row).ToString(), ", but the rows of ", files_[0],
           " have shape ", Shape(row_shapes_[d]).ToString());
    }
    const auto rows = static_cast<uint64_t>(shape[0]);
    if (d == 0) row_counts_.push_back(rows);
    if (rows != row_counts_[f]) {
      Fail(name, " has ", rows, " rows, but '", datasets_[0], "' has ", row_counts_[f]);
    }
    if (rows > UINT32_MAX) Fail(name, " has ", rows, " rows; at most 2^32 - 1 are allowed");
  }
}

void Hdf5Rows::NewEpoch() {
  file_order_.resize(files_.size());
  if (shuffle_) {
    ShuffledOrder order(files_.size(), MixKeys(random_, kFileSalt));
    for (size_t i = 0; i < files_.size(); ++i) file_order_[i] = order[epoch_ * files_.size() + i];
  } else {
    std::iota(file_order_.begin(), file_order_.end(), size_t{0});
  }
}

void Hdf5Rows::Seek(uint64_t random, uint64_t ordinal) {
  const uint64_t all = count();
  random_ = random;
  epoch_ = ordinal / all;
  NewEpoch();
  row_ = ordinal % all;
  for (place_ = 0; row_ >= row_counts_[file_order_[place_]]; ++place_) {
    row_ -= row_counts_[file_order_[place_]];
  }
  row_order_.reset();
}

void Hdf5Rows::ReadValues(size_t f) {
  const Hdf5File file = Hdf5File::Open(files_[f]);
  values_.clear();
  for (size_t d = 0; d < datasets_.size(); ++d) {
    values_.push_back(file.ReadFloats(datasets_[d]));
    const uint64_t expected = row_counts_[f] * static_cast<uint64_t>(Shape(row_shapes_[d]).count());
    if (values_[d].size() == expected) continue;
    Fail(owner_, ": dataset '", datasets_[d], "' of ", files_[f], " changed while it was in use");
  }
}

// The file at `place` of the epoch's order.
void Hdf5Rows::Load(size_t place) {
  const size_t f = file_order_[place];
  if (loaded_ != f) {
    loaded_ = SIZE_MAX;  // if this fails, there are no values
    if (was_read_[f]) {
      ReadValues(f);
    } else {
      TryAndRead(files_[f], [&] { ReadValues(f); });
    }
    was_read_[f] = true;
    loaded_ = f;
  }
  if (!shuffle_) return;
  row_order_ = std::make_unique<ShuffledOrder>(row_counts_[f],
                                               MixKeys(MixKeys(random_, kRowSalt + f), epoch_));
}

void Hdf5Rows::Next(std::vector<std::vector<float>>* rows) {
  while (row_ >= row_counts_[file_order_[place_]]) {
    row_ = 0;
    row_order_.reset();
    if (++place_ < files_.size()) continue;
    place_ = 0;
    ++epoch_;
    NewEpoch();
  }
  if (loaded_ != file_order_[place_] || (shuffle_ && row_order_ == nullptr)) Load(place_);
  const uint64_t row = shuffle_ ? (*row_order_)[row_] : row_;
  for (size_t d = 0; d < datasets_.size(); ++d) {
    const auto length = static_cast<uint64_t>(Shape(row_shapes_[d]).count());
    const float* first = values_[d].data() + row * length;
    (*rows)[d].insert((*rows)[d].end(), first, first + length);
  }
  ++row_;
}

}  // namespace crema
