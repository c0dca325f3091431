#include "schema/hdf5_io.h"

#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <set>
#include <utility>

#include "base/child_process.h"
#include "base/files.h"
#include "crema/error.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

// A compressed value cannot take less room than this share of its size.
constexpr uint64_t kMostCompression = 1100;
// Chunks up to this many bytes are no reason to doubt a file, however little is in them.
constexpr uint64_t kSmallChunk = uint64_t{1} << 24;
constexpr size_t kLargestNumber = 16;  // bytes
// A member of a group takes no fewer bytes of the file.
constexpr uint64_t kLeastMember = 8;
// How often all of a file's bytes are read: many names for the same values would multiply them.
constexpr double kMostReadings = 16;
// Views of views of a dataset.
constexpr int kDeepestView = 2;
// Rows that Append's chunks hold, in bytes.
constexpr int64_t kChunkBytes = 1 << 16;

// Debian's library may be entered by one thread at a time.
std::recursive_mutex& Mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

// In the child of TryAndRead, whose parent holds the mutex and which has no other thread.
bool is_child = false;

// While one lives, the library is this thread's and prints no errors. It then prints them again as
// the program had it.
class Lock {
 public:
  Lock() {
    if (!is_child) Mutex().lock();
    H5Eget_auto2(H5E_DEFAULT, &print_, &print_data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Lock() {
    H5Eset_auto2(H5E_DEFAULT, print_, print_data_);
    if (!is_child) Mutex().unlock();
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  H5E_auto2_t print_ = nullptr;
  void* print_data_ = nullptr;
};

// Closes what it holds.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// How names are looked up: links must stay within the file. A file from somebody else could
// otherwise show what is in any other.
class Lookup {
 public:
  // `kind`: H5P_DATASET_ACCESS, H5P_GROUP_ACCESS or H5P_LINK_ACCESS.
  explicit Lookup(hid_t kind) : list_(H5Pcreate(kind), H5Pclose) {
    const bool done = H5Pset_elink_cb(list_, Refuse, &outside_) >= 0;
    CREMA_CHECK(done, "external links cannot be refused");
  }
  operator hid_t() const { return list_; }
  // Throws Error if a link on the way to `name` led into another file.
  void CheckStayedIn(const std::string& path, const std::string& name) const {
    if (outside_.empty()) return;
    Fail(InFile(path), ": '", name, "' is a link into the file '", outside_,
         "', and links into other files are not followed; copy what it leads to into this file");
  }

 private:
  static herr_t Refuse(const char*, const char*, const char* file, const char*, unsigned*, hid_t,
                       void* outside) {
    *static_cast<std::string*>(outside) = file;
    return -1;
  }

  Handle list_;
  std::string outside_;
};

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

std::vector<hsize_t> Extents(const std::vector<int64_t>& shape) {
  return std::vector<hsize_t>(shape.begin(), shape.end());
}

// How long the library may take for a file; it unpacks more than ten times as many bytes a second.
unsigned SecondsFor(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) Fail(InFile(path), ": cannot be opened: ", ErrorText(errno));
  return static_cast<unsigned>(10 + info.st_size / 5000000);
}

// The library does not say why it cannot write a file, and waits for the reader of a pipe.
void CheckCanBeWritten(const std::string& path) {
  if (IsStream(path)) Fail(InFile(path), ": cannot be written: it is not a regular file");
  const Descriptor probe(OpenRetrying(path.c_str(), O_WRONLY | O_CREAT | O_NONBLOCK, 0666));
  if (!probe.ok()) Fail(InFile(path), ": cannot be written: ", ErrorText(errno));
}

// The members of a group, as they are found.
struct Listing {
  const Lookup* lookup;
  std::vector<std::string> names;
};

herr_t AddName(hid_t group, const char* name, const H5L_info_t*, void* to) {
  auto* const listing = static_cast<Listing*>(to);
  H5O_info_t info;
  const bool is_group =
      H5Oget_info_by_name(group, name, &info, *listing->lookup) >= 0 && info.type == H5O_TYPE_GROUP;
  listing->names.push_back(std::string(name) + (is_group ? "/" : ""));
  return 0;
}

}  // namespace

struct Hdf5File::State {
  std::string path;
  hid_t file = -1;
  mutable double readings = 0;  // of all of the file's bytes

  ~State() {
    const Lock lock;
    if (file < 0) return;
    H5Fclose(file);
  }

  [[noreturn]] void FailAt(const std::string& dataset, const std::string& what) const {
    Fail(InFile(path), ": dataset '", dataset, "' ", what);
  }

  hid_t OpenDataset(const std::string& dataset) const {
    const Lookup lookup(H5P_DATASET_ACCESS);
    const hid_t id = H5Dopen2(file, dataset.c_str(), lookup);
    lookup.CheckStayedIn(path, dataset);
    if (id < 0) Fail(InFile(path), ": has no dataset '", dataset, "'");
    return id;
  }

  uint64_t FileBytes() const {
    hsize_t bytes = 0;
    return H5Fget_filesize(file, &bytes) >= 0 ? bytes : 0;
  }

  std::vector<int64_t> ShapeOf(hid_t dataset, const std::string& name) const {
    const Handle space(H5Dget_space(dataset), H5Sclose);
    const int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0) FailAt(name, "has no shape; the file is damaged");
    std::vector<hsize_t> extents(static_cast<size_t>(rank));
    if (rank > 0) H5Sget_simple_extent_dims(space, extents.data(), nullptr);
    return std::vector<int64_t>(extents.begin(), extents.end());
  }

  H5T_class_t ClassOf(hid_t dataset) const {
    const Handle type(H5Dget_type(dataset), H5Tclose);
    return H5Tget_class(type);
  }

  // The bytes in which a dataset's values lie, and the size of the files that hold them. What a
  // file says of the former may be a lie; that they are in the file is not.
  struct Storage {
    uint64_t bytes = 0, file_bytes = 0;
  };

  // Throws Error where values lie in other files, but for views of datasets in the same folder.
  // `depth`: how many views led here.
  Storage StorageOf(hid_t dataset, const std::string& name, int depth = 0) const {
    const Handle plan(H5Dget_create_plist(dataset), H5Pclose);
    if (H5Pget_external_count(plan) != 0) {
      FailAt(name, "keeps its values in another file, which is not read; copy them into this one");
    }
    if (H5Pget_layout(plan) == H5D_VIRTUAL) return StorageOfView(plan, name, depth);
    const uint64_t all = FileBytes();
    return {std::min<uint64_t>(H5Dget_storage_size(dataset), all), all};
  }

  // The sum of the datasets that a virtual one shows.
  Storage StorageOfView(hid_t plan, const std::string& name, int depth) const {
    if (depth == kDeepestView)
      FailAt(name,
             "is a view of views of views, which are not read; copy the values into one file");
    size_t count = 0;
    if (H5Pget_virtual_count(plan, &count) < 0) FailAt(name, "cannot be read");
    std::set<std::pair<std::string, std::string>> sources;
    for (size_t i = 0; i < count; ++i) {
      sources.emplace(NameFrom([&](char* to, size_t size) {
                        return H5Pget_virtual_filename(plan, i, to, size);
                      }),
                      NameFrom([&](char* to, size_t size) {
                        return H5Pget_virtual_dsetname(plan, i, to, size);
                      }));
    }
    Storage sum;
    for (const auto& [source, dataset] : sources) {
      const Storage part =
          source == "." ? StorageOfSource(dataset, depth + 1)
                        : OpenBeside(source, name).state_->StorageOfSource(dataset, depth + 1);
      sum.bytes += part.bytes;
      sum.file_bytes += part.file_bytes;
    }
    return sum;
  }

  Storage StorageOfSource(const std::string& name, int depth) const {
    const Handle dataset(OpenDataset(name), H5Dclose);
    CheckedCount(dataset, name, depth);
    return StorageOf(dataset, name, depth);
  }

  // The file of a view's source. A percent sign stands for several files.
  Hdf5File OpenBeside(const std::string& source, const std::string& view) const {
    const std::string name = source.substr(source.rfind('/') + 1);
    const std::string beside = FolderOf(path) + "/" + name;
    const bool is_name = IsOwnFolder(source.substr(0, source.size() - name.size())) &&
                         name.find('%') == std::string::npos;
    if (is_name && IsRegularFile(beside)) return Open(beside);
    FailAt(view, Concat("is a view of values in the file '", source, "', which ",
                        is_name ? "is not there, or a link" : "may be elsewhere",
                        "; views are read of files in the same folder"));
  }

  // Whether what stands before a file's name leads to the folder of this file.
  bool IsOwnFolder(const std::string& folder) const {
    if (folder.empty() || folder == "./") return true;
    std::error_code failed;
    return folder[0] == '/' && std::filesystem::equivalent(folder, FolderOf(path), failed);
  }

  // The library takes memory for a whole chunk, whatever is in it.
  void CheckChunk(hid_t dataset, const std::string& name, uint64_t most_bytes, size_t size) const {
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

  // Compression is done by filters; some come with a library, others as plugins.
  void CheckFilters(hid_t dataset, const std::string& name) const {
    const Handle plan(H5Dget_create_plist(dataset), H5Pclose);
    const int count = plan.ok() ? H5Pget_nfilters(plan) : 0;
    for (int i = 0; i < count; ++i) {
      unsigned flags = 0, config = 0;
      size_t values = 0;
      char filter[64] = "";
      const H5Z_filter_t id = H5Pget_filter2(plan, static_cast<unsigned>(i), &flags, &values,
                                             nullptr, sizeof filter, filter, &config);
      if (id < 0 || H5Zfilter_avail(id) > 0) continue;
      FailAt(name, Concat("is compressed by the filter '", filter, "' (number ", id,
                          "), which this HDF5 library does not have; rewrite the file with gzip or "
                          "without compression, or set HDF5_PLUGIN_PATH to the folder of "
                          "the filter's plugin"));
    }
  }

  // How many values there are, once it is sure that the file can hold so many.
  size_t CheckedCount(hid_t dataset, const std::string& name, int depth = 0) const {
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

  // Links can give the same values many names.
  void CountReading(const Storage& storage) const {
    if (storage.file_bytes == 0) return;
    readings += static_cast<double>(storage.bytes) / static_cast<double>(storage.file_bytes);
    if (readings > kMostReadings) {
      Fail(InFile(path), ": has more values by name than it can hold; the file is damaged");
    }
  }

  template <class T>
  std::vector<T> Read(const std::string& name, hid_t type) const {
    const Lock lock;
    const Handle dataset(OpenDataset(name), H5Dclose);
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
             hid_t memory_type, const void* values) const {
    const Lock lock;
    const std::vector<hsize_t> extents = Extents(shape);
    const Handle space(
        shape.empty() ? H5Screate(H5S_SCALAR)
                      : H5Screate_simple(static_cast<int>(shape.size()), extents.data(), nullptr),
        H5Sclose);
    const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links, 1);
    const Handle plan(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_obj_track_times(plan, false);  // or no two files of the same values were equal
    const Handle dataset(H5Dcreate2(file, name.c_str(), file_type, space, links, plan, H5P_DEFAULT),
                         H5Dclose);
    const bool written =
        dataset.ok() && H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
    if (!written) FailAt(name, "cannot be written");
  }
};

void LeaveHdf5FilesOpenAtExit() { H5dont_atexit(); }

Hdf5File::Hdf5File(std::unique_ptr<State> state) : state_(std::move(state)) {}
Hdf5File::~Hdf5File() = default;
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;
Hdf5File& Hdf5File::operator=(Hdf5File&&) noexcept = default;

const std::string& Hdf5File::path() const { return state_->path; }

Hdf5File Hdf5File::Open(const std::string& path) {
  OpenForReading(path);  // for the reason if it fails
  const Lock lock;
  auto state = std::make_unique<State>();
  state->path = path;
  state->file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (state->file < 0) Fail(InFile(path), ": is not an HDF5 file, or is truncated");
  return Hdf5File(std::move(state));
}

Hdf5File Hdf5File::Create(const std::string& path, const std::string& name) {
  CheckCanBeWritten(path);
  const Lock lock;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_sec2(access);  // whatever HDF5_DRIVER says
  auto state = std::make_unique<State>();
  state->path = name.empty() ? path : name;
  state->file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  if (state->file < 0) Fail(state->path, ": cannot be written as an HDF5 file");
  return Hdf5File(std::move(state));
}

Hdf5File Hdf5File::CreateInMemory(const std::string& name) {
  const Lock lock;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access, size_t{1} << 20, 0);
  auto state = std::make_unique<State>();
  state->path = name;
  state->file = H5Fcreate(name.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  if (state->file < 0) Fail(InFile(name), ": cannot be created in memory");
  return Hdf5File(std::move(state));
}

std::vector<std::string> Hdf5File::Names(const std::string& group) const {
  const Lock lock;
  const Lookup lookup(H5P_GROUP_ACCESS);
  const Handle id(H5Gopen2(state_->file, group.empty() ? "/" : group.c_str(), lookup), H5Gclose);
  lookup.CheckStayedIn(path(), group);
  if (!id.ok()) Fail(InFile(path()), ": has no group '", group, "'");
  H5G_info_t info;
  if (H5Gget_info(id, &info) < 0 || info.nlinks > state_->FileBytes() / kLeastMember) {
    Fail(InFile(path()), ": the group '", group,
         "' claims more members than the file can hold; the file ", "is damaged");
  }
  const Lookup within(H5P_LINK_ACCESS);
  Listing listing{&within, {}};
  H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, nullptr, AddName, &listing);
  within.CheckStayedIn(path(), group.empty() ? "a member" : "a member of " + group);
  return std::move(listing.names);
}

uint64_t Hdf5File::FileBytes() const {
  const Lock lock;
  return state_->FileBytes();
}

bool Hdf5File::Has(const std::string& dataset) const {
  const Lock lock;
  const Lookup lookup(H5P_DATASET_ACCESS);
  const Handle id(H5Dopen2(state_->file, dataset.c_str(), lookup), H5Dclose);
  lookup.CheckStayedIn(path(), dataset);
  return id.ok();
}

std::vector<int64_t> Hdf5File::Shape(const std::string& dataset) const {
  const Lock lock;
  const Handle id(state_->OpenDataset(dataset), H5Dclose);
  state_->CheckedCount(id, dataset);
  return state_->ShapeOf(id, dataset);
}

bool Hdf5File::HoldsDoubles(const std::string& dataset) const {
  const Lock lock;
  const Handle id(state_->OpenDataset(dataset), H5Dclose);
  const Handle type(H5Dget_type(id), H5Tclose);
  return H5Tget_class(type) == H5T_FLOAT && H5Tget_size(type) > 4;
}

std::vector<float> Hdf5File::ReadFloats(const std::string& dataset) const {
  return state_->Read<float>(dataset, H5T_NATIVE_FLOAT);
}

std::vector<double> Hdf5File::ReadDoubles(const std::string& dataset) const {
  return state_->Read<double>(dataset, H5T_NATIVE_DOUBLE);
}

int64_t Hdf5File::ReadInteger(const std::string& dataset) const {
  const auto values = state_->Read<int64_t>(dataset, H5T_NATIVE_INT64);
  if (values.size() != 1) state_->FailAt(dataset, "must hold one number");
  return values[0];
}

std::string Hdf5File::ReadText(const std::string& dataset) const {
  const Lock lock;
  const Handle id(state_->OpenDataset(dataset), H5Dclose);
  if (state_->ClassOf(id) == H5T_INTEGER) {
    const auto bytes = state_->Read<unsigned char>(dataset, H5T_NATIVE_UCHAR);
    return std::string(bytes.begin(), bytes.end());
  }
  const Handle type(H5Dget_type(id), H5Tclose);
  const size_t size = H5Tget_size(type);
  const Handle space(H5Dget_space(id), H5Sclose);
  const bool plain = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
                     H5Sget_simple_extent_npoints(space) == 1 &&
                     size <= state_->StorageOf(id, dataset).bytes;
  std::string text(plain ? size : 0, '\0');
  if (!plain || H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text[0]) < 0) {
    state_->FailAt(dataset, "is not a string");
  }
  return text.c_str();  // as far as the first zero
}

void Hdf5File::MakeGroup(const std::string& group) {
  const Lock lock;
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links, 1);
  if (H5Lexists(state_->file, group.c_str(), H5P_DEFAULT) > 0) return;
  const Handle id(H5Gcreate2(state_->file, group.c_str(), links, H5P_DEFAULT, H5P_DEFAULT),
                  H5Gclose);
  if (!id.ok()) Fail(InFile(path()), ": the group '", group, "' cannot be created");
}

void Hdf5File::Write(const std::string& dataset, const std::vector<int64_t>& shape,
                     const float* values) {
  state_->Write(dataset, shape, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values);
}

void Hdf5File::Write(const std::string& dataset, const std::vector<int64_t>& shape,
                     const double* values) {
  state_->Write(dataset, shape, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values);
}

void Hdf5File::WriteInteger(const std::string& dataset, int value) {
  state_->Write(dataset, {1}, H5T_STD_I32LE, H5T_NATIVE_INT, &value);
}

void Hdf5File::WriteText(const std::string& dataset, const std::string& text) {
  const Lock lock;
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, text.size() + 1);
  state_->Write(dataset, {}, type, type, text.c_str());
}

void Hdf5File::WriteBytes(const std::string& dataset, const std::string& bytes) {
  state_->Write(dataset, {static_cast<int64_t>(bytes.size())}, H5T_STD_U8LE, H5T_NATIVE_UCHAR,
                bytes.data());
}

void Hdf5File::Append(const std::string& dataset, const std::vector<int64_t>& shape,
                      const float* values) {
  const Lock lock;
  std::vector<hsize_t> rows = Extents(shape), all = rows, first(shape.size(), 0);
  if (!Has(dataset)) {
    std::vector<hsize_t> none = rows, most = rows, chunk = rows;
    none[0] = 0;
    most[0] = H5S_UNLIMITED;
    int64_t row_bytes = sizeof(float);
    for (size_t a = 1; a < shape.size(); ++a) row_bytes *= std::max<int64_t>(1, shape[a]);
    for (hsize_t& extent : chunk) extent = std::max<hsize_t>(1, extent);
    chunk[0] = static_cast<hsize_t>(std::max<int64_t>(1, kChunkBytes / row_bytes));
    const Handle space(H5Screate_simple(static_cast<int>(none.size()), none.data(), most.data()),
                       H5Sclose);
    const Handle chunked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(chunked, static_cast<int>(chunk.size()), chunk.data());
    const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links, 1);
    const Handle made(H5Dcreate2(state_->file, dataset.c_str(), H5T_IEEE_F32LE, space, links,
                                 chunked, H5P_DEFAULT),
                      H5Dclose);
    if (!made.ok()) state_->FailAt(dataset, "cannot be created");
  }
  const hid_t id = state_->OpenDataset(dataset);
  first[0] = static_cast<hsize_t>(state_->ShapeOf(id, dataset)[0]);
  all[0] += first[0];
  bool written = H5Dset_extent(id, all.data()) >= 0;
  const Handle place(H5Dget_space(id), H5Sclose);
  const Handle memory(H5Screate_simple(static_cast<int>(rows.size()), rows.data(), nullptr),
                      H5Sclose);
  written = written &&
            H5Sselect_hyperslab(place, H5S_SELECT_SET, first.data(), nullptr, rows.data(),
                                nullptr) >= 0 &&
            H5Dwrite(id, H5T_NATIVE_FLOAT, memory, place, H5P_DEFAULT, values) >= 0;
  written = H5Dclose(id) >= 0 && written;  // which also writes
  if (!written) state_->FailAt(dataset, "cannot be written; is the disk full?");
}

void Hdf5File::Flush() {
  const Lock lock;
  if (H5Fflush(state_->file, H5F_SCOPE_LOCAL) < 0) {
    Fail(InFile(path()), ": cannot be written; is the disk full?");
  }
}

void Hdf5File::Close() {
  const Lock lock;
  const hid_t file = std::exchange(state_->file, -1);
  if (H5Fclose(file) < 0) Fail(InFile(path()), ": cannot be written; is the disk full?");
}

std::string Hdf5File::Bytes() {
  const Lock lock;
  Flush();
  const ssize_t size = H5Fget_file_image(state_->file, nullptr, 0);
  std::string bytes(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  if (size <= 0 || H5Fget_file_image(state_->file, &bytes[0], bytes.size()) != size) {
    Fail(InFile(path()), ": cannot be assembled");
  }
  return bytes;
}

void TryAndRead(const std::string& path, const std::function<void()>& read) {
  const Lock lock;
  const auto work = [&read] {
    is_child = true;
    read();
  };
  const std::string fault = FaultInChild(work, SecondsFor(path));
  if (!fault.empty())
    Fail(InFile(path), ": is damaged: the HDF5 library ", fault, " while reading it");
  read();
}

}  // namespace crema
