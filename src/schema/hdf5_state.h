// An open HDF5 file: what its datasets are, and whether they can be what they claim.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crema/error.h"
#include "schema/hdf5_io.h"
#include "schema/hdf5_library.h"

namespace crema {

// Its functions are called while a Lock lives, but for Read and Write, which make one.
struct Hdf5File::State {
  std::string path;
  hid_t file = -1;
  mutable double readings = 0;  // of all of the file's bytes

  ~State();

  [[noreturn]] void FailAt(const std::string& dataset, const std::string& what) const {
    Fail(InFile(path), ": dataset '", dataset, "' ", what);
  }

  hid_t OpenDataset(const std::string& dataset) const;

  uint64_t FileBytes() const;

  std::vector<int64_t> ShapeOf(hid_t dataset, const std::string& name) const;

  H5T_class_t ClassOf(hid_t dataset) const;

  // The bytes in which a dataset's values lie, and the size of the files that hold them. What a
  // file says of the former may be a lie; that they are in the file is not.
  struct Storage {
    uint64_t bytes = 0, file_bytes = 0;
  };

  // Throws Error where values lie in other files, but for views of datasets in the same folder.
  // `depth`: how many views led here.
  Storage StorageOf(hid_t dataset, const std::string& name, int depth = 0) const;

  // The sum of the datasets that a virtual one shows.
  Storage StorageOfView(hid_t plan, const std::string& name, int depth) const;

  Storage StorageOfSource(const std::string& name, int depth) const;

  // The file of a view's source. A percent sign stands for several files.
  Hdf5File OpenBeside(const std::string& source, const std::string& view) const;

  // Whether what stands before a file's name leads to the folder of this file.
  bool IsOwnFolder(const std::string& folder) const;

  // The library takes memory for a whole chunk, whatever is in it.
  void CheckChunk(hid_t dataset, const std::string& name, uint64_t most_bytes, size_t size) const;

  // Compression is done by filters; some come with a library, others as plugins.
  void CheckFilters(hid_t dataset, const std::string& name) const;

  // How many values there are, once it is sure that the file can hold so many.
  size_t CheckedCount(hid_t dataset, const std::string& name, int depth = 0) const;

  // Links can give the same values many names.
  void CountReading(const Storage& storage) const;

  template <class T>
  std::vector<T> Read(const std::string& name, hid_t type) const {
    const hdf5::Lock lock;
    const hdf5::Handle dataset(OpenDataset(name), H5Dclose);
    const size_t count = CheckedCount(dataset, name);
    CountReading(StorageOf(dataset, name));
    std::vector<T> values(count);
    if (values.empty()) return values;
    if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
      FailAt(name, "cannot be read; the file is truncated or damaged");
    }
    return values;
  }

  // `values` may be null where there are none.
  void Write(const std::string& name, const std::vector<int64_t>& shape, hid_t file_type,
             hid_t memory_type, const void* values) const;
};

}  // namespace crema
