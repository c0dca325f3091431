// Hdf5File: new files, and what is written to them.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/files.h"
#include "schema/binary_io.h"
#include "schema/hdf5_state.h"

namespace crema {

using hdf5::Handle;
using hdf5::Lock;

namespace {

// Rows that Append's chunks hold, in bytes.
constexpr int64_t kChunkBytes = 1 << 16;

std::vector<hsize_t> Extents(const std::vector<int64_t>& shape) {
  return std::vector<hsize_t>(shape.begin(), shape.end());
}

// The library does not say why it cannot write a file, and waits for the reader of a pipe.
void CheckCanBeWritten(const std::string& path) {
  if (IsStream(path)) Fail(InFile(path), ": cannot be written: it is not a regular file");
  const Descriptor probe(OpenRetrying(path.c_str(), O_WRONLY | O_CREAT | O_NONBLOCK, 0666));
  if (!probe.ok()) Fail(InFile(path), ": cannot be written: ", ErrorText(errno));
}

}  // namespace

void Hdf5File::State::Write(const std::string& name, const std::vector<int64_t>& shape,
                            hid_t file_type, hid_t memory_type, const void* values) const {
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

}  // namespace crema
