// The HDF5 library as the readers and writers of its files use it: by one thread at a time, without
// its own messages, and without leaving the file.
#pragma once

#include <hdf5.h>

#include <string>

namespace crema::hdf5 {

// While one lives, the library is this thread's and prints no errors. It then prints them again as
// the program had it.
class Lock {
 public:
  Lock();
  ~Lock();
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
  bool ok() const { return id_ >= 0; }  // whether there is anything to close

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// How names are looked up: links must stay within the file. A file from somebody else could
// otherwise show what is in any other.
class Lookup {
 public:
  // `kind`: H5P_DATASET_ACCESS, H5P_GROUP_ACCESS or H5P_LINK_ACCESS.
  explicit Lookup(hid_t kind);
  operator hid_t() const { return list_; }
  // Throws Error if a link on the way to `name` led into another file.
  void CheckStayedIn(const std::string& path, const std::string& name) const;

 private:
  Handle list_;
  std::string outside_;
};

}  // namespace crema::hdf5
