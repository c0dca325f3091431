#include "schema/hdf5_state.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/files.h"
#include "schema/binary_io.h"

namespace crema {

using hdf5::Handle;
using hdf5::Lock;
using hdf5::Lookup;

namespace {

// A compressed value cannot take less room than this share of its size.
constexpr uint64_t kMostCompression = 1100;
// Chunks up to this many bytes are no reason to doubt a file, however little is in them.
constexpr uint64_t kSmallChunk = uint64_t{1} << 24;
constexpr size_t kLargestNumber = 16;  // bytes
// How often all of a file's bytes are read: many names for the same values would multiply them.
constexpr double kMostReadings = 16;
// Views of views of a dataset.
constexpr int kDeepestView = 2;

// The name that `get` gives into a buffer of a size, as the library's functions do.
template <class Get>
std::string NameFrom(Get get) {
  const ssize_t size = get(nullptr, 0);
  std::vector<char> name(size > 0 ? static_cast<size_t>(size) + 1 : 1);
  get(name.data(), name.size());
  return name.data();
}

bool IsRegularFile(const std::string& path) {
  struct stat info = {};
  return lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

Hdf5File::State::~State() {
  const Lock lock;
  if (file < 0) return;
  H5Fclose(file);
}

hid_t Hdf5File::State::OpenDataset(const std::string& dataset) const {
  const Lookup lookup(H5P_DATASET_ACCESS);
  const hid_t id = H5Dopen2(file, dataset.c_str(), lookup);
  lookup.CheckStayedIn(path, dataset);
  if (id < 0) Fail(InFile(path), ": has no dataset '", dataset, "'");
  return id;
}

uint64_t Hdf5File::State::FileBytes() const {
  hsize_t bytes = 0;
  return H5Fget_filesize(file, &bytes) >= 0 ? bytes : 0;
}

std::vector<int64_t> Hdf5File::State::ShapeOf(hid_t dataset, const std::string& name) const {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) FailAt(name, "has no shape; the file is damaged");
  std::vector<hsize_t> extents(static_cast<size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space, extents.data(), nullptr);
  return std::vector<int64_t>(extents.begin(), extents.end());
}

H5T_class_t Hdf5File::State::ClassOf(hid_t dataset) const {
  const Handle type(H5Dget_type(dataset), H5Tclose);
  return H5Tget_class(type);
}

Hdf5File::State::Storage Hdf5File::State::StorageOf(hid_t dataset, const std::string& name,
                                                    int depth) const {
  const Handle plan(H5Dget_create_plist(dataset), H5Pclose);
  if (H5Pget_external_count(plan) != 0) {
    FailAt(name, "keeps its values in another file, which is not read; copy them into this one");
  }
  if (H5Pget_layout(plan) == H5D_VIRTUAL) return StorageOfView(plan, name, depth);
  const uint64_t all = FileBytes();
  return {std::min<uint64_t>(H5Dget_storage_size(dataset), all), all};
}

Hdf5File::State::Storage Hdf5File::State::StorageOfView(hid_t plan, const std::string& name,
                                                        int depth) const {
  if (depth == kDeepestView)
    FailAt(name, "is a view of views of views, which are not read; copy the values into one file");
  size_t count = 0;
  if (H5Pget_virtual_count(plan, &count) < 0) FailAt(name, "cannot be read");
  std::set<std::pair<std::string, std::string>> sources;
  for (size_t i = 0; i < count; ++i) {
    sources.emplace(
        NameFrom([&](char* to, size_t size) { return H5Pget_virtual_filename(plan, i, to, size); }),
        NameFrom(
            [&](char* to, size_t size) { return H5Pget_virtual_dsetname(plan, i, to, size); }));
  }
  Storage sum;
  for (const auto& [source, dataset] : sources) {
    const Storage part = source == "."
                             ? StorageOfSource(dataset, depth + 1)
                             : OpenBeside(source, name).state_->StorageOfSource(dataset, depth + 1);
    sum.bytes += part.bytes;
    sum.file_bytes += part.file_bytes;
  }
  return sum;
}

Hdf5File::State::Storage Hdf5File::State::StorageOfSource(const std::string& name,
                                                          int depth) const {
  const Handle dataset(OpenDataset(name), H5Dclose);
  CheckedCount(dataset, name, depth);
  return StorageOf(dataset, name, depth);
}

Hdf5File Hdf5File::State::OpenBeside(const std::string& source, const std::string& view) const {
  const std::string name = source.substr(source.rfind('/') + 1);
  const std::string beside = FolderOf(path) + "/" + name;
  const bool is_name = IsOwnFolder(source.substr(0, source.size() - name.size())) &&
                       name.find('%') == std::string::npos;
  if (is_name && IsRegularFile(beside)) return Open(beside);
  FailAt(view, Concat("is a view of values in the file '", source, "', which ",
                      is_name ? "is not there, or a link" : "may be elsewhere",
                      "; views are read of files in the same folder"));
}

bool Hdf5File::State::IsOwnFolder(const std::string& folder) const {
  if (folder.empty() || folder == "./") return true;
  std::error_code failed;
  return folder[0] == '/' && std::filesystem::equivalent(folder, FolderOf(path), failed);
}

void Hdf5File::State::CheckChunk(hid_t dataset, const std::string& name, uint64_t most_bytes,
                                 size_t size) const {
  const Handle plan(H5Dget_create_plist(dataset), H5Pclose);
  if (H5Pget_layout(plan) != H5D_CHUNKED) return;
  hsize_t extents[H5S_MAX_RANK] = {};
  const int rank = H5Pget_chunk(plan, H5S_MAX_RANK, extents);
  uint64_t bytes = size;
  for (int axis = 0; axis < rank; ++axis) {
    const uint64_t extent = std::max<hsize_t>(1, extents[axis]);
    if (bytes > most_bytes / extent) {
      FailAt(name, "claims chunks larger than the file; the file is damaged");
    }
    bytes *= extent;
  }
}

void Hdf5File::State::CheckFilters(hid_t dataset, const std::string& name) const {
  const Handle plan(H5Dget_create_plist(dataset), H5Pclose);
  const int count = plan.ok() ? H5Pget_nfilters(plan) : 0;
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    size_t values = 0;
    char filter[64] = "";
    const H5Z_filter_t id = H5Pget_filter2(plan, static_cast<unsigned>(i), &flags, &values, nullptr,
                                           sizeof filter, filter, &config);
    if (id < 0 || H5Zfilter_avail(id) > 0) continue;
    FailAt(name, Concat("is compressed by the filter '", filter, "' (number ", id,
                        "), which this HDF5 library does not have; rewrite the file with gzip or "
                        "without compression, or set HDF5_PLUGIN_PATH to the folder of "
                        "the filter's plugin"));
  }
}

size_t Hdf5File::State::CheckedCount(hid_t dataset, const std::string& name, int depth) const {
  const H5T_class_t kind = ClassOf(dataset);
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) FailAt(name, "does not hold numbers");
  const Handle type(H5Dget_type(dataset), H5Tclose);
  const size_t size = H5Tget_size(type);
  if (size == 0 || size > kLargestNumber) FailAt(name, "holds numbers of an unsupported type");
  CheckFilters(dataset, name);
  const uint64_t stored = StorageOf(dataset, name, depth).bytes;
  const uint64_t most = stored / size * kMostCompression;
  CheckChunk(dataset, name, std::max(kSmallChunk, stored * kMostCompression), size);
  uint64_t count = 1;
  for (int64_t extent : ShapeOf(dataset, name)) {
    if (extent == 0) return 0;
    if (extent < 0 || count > most / static_cast<uint64_t>(extent)) {
      FailAt(name, Concat("claims more values than its ", stored,
                          " bytes can hold; the file is damaged"));
    }
    count *= static_cast<uint64_t>(extent);
  }
  return static_cast<size_t>(count);
}

void Hdf5File::State::CountReading(const Storage& storage) const {
  if (storage.file_bytes == 0) return;
  readings += static_cast<double>(storage.bytes) / static_cast<double>(storage.file_bytes);
  if (readings > kMostReadings) {
    Fail(InFile(path), ": has more values by name than it can hold; the file is damaged");
  }
}

}  // namespace crema
