#include "schema/hdf5_library.h"

#include <sys/stat.h>

#include <cerrno>
#include <mutex>

#include "base/child_process.h"
#include "base/files.h"
#include "crema/error.h"
#include "schema/hdf5_io.h"

namespace crema {
namespace hdf5 {
namespace {

// Debian's library may be entered by one thread at a time.
std::recursive_mutex& Mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

// In the child of TryAndRead, whose parent holds the mutex and which has no other thread.
bool is_child = false;

herr_t Refuse(const char*, const char*, const char* file, const char*, unsigned*, hid_t,
              void* outside) {
  *static_cast<std::string*>(outside) = file;
  return -1;
}

}  // namespace

Lock::Lock() {
  if (!is_child) Mutex().lock();
  H5Eget_auto2(H5E_DEFAULT, &print_, &print_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Lock::~Lock() {
  H5Eset_auto2(H5E_DEFAULT, print_, print_data_);
  if (!is_child) Mutex().unlock();
}

Lookup::Lookup(hid_t kind) : list_(H5Pcreate(kind), H5Pclose) {
  const bool done = H5Pset_elink_cb(list_, Refuse, &outside_) >= 0;
  CREMA_CHECK(done, "external links cannot be refused");
}

void Lookup::CheckStayedIn(const std::string& path, const std::string& name) const {
  if (outside_.empty()) return;
  Fail(InFile(path), ": '", name, "' is a link into the file '", outside_,
       "', and links into other files are not followed; copy what it leads to into this file");
}

}  // namespace hdf5

namespace {

// How long the library may take for a file; it unpacks more than ten times as many bytes a second.
unsigned SecondsFor(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) Fail(InFile(path), ": cannot be opened: ", ErrorText(errno));
  return static_cast<unsigned>(10 + info.st_size / 5000000);
}

}  // namespace

void LeaveHdf5FilesOpenAtExit() { H5dont_atexit(); }

void TryAndRead(const std::string& path, const std::function<void()>& read) {
  const hdf5::Lock lock;
  const auto work = [&read] {
    hdf5::is_child = true;
    read();
  };
  const std::string fault = FaultInChild(work, SecondsFor(path));
  if (!fault.empty())
    Fail(InFile(path), ": is damaged: the HDF5 library ", fault, " while reading it");
  read();
}

}  // namespace crema
