// Hdf5File: what is read from files.
#include "schema/hdf5_io.h"

#include <utility>

#include "base/files.h"
#include "schema/binary_io.h"
#include "schema/hdf5_state.h"

namespace crema {

using hdf5::Handle;
using hdf5::Lock;
using hdf5::Lookup;

namespace {

// A member of a group takes no fewer bytes of the file.
constexpr uint64_t kLeastMember = 8;

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

}  // namespace crema
