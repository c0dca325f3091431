#include "fuzz/fuzz.h"

#include <glog/logging.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "crema/error.h"

namespace crema {

// Not memfd_create: HDF5 looks for a file's real path.
TemporaryFile::TemporaryFile(const uint8_t* bytes, size_t size) {
  const char* const folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  path_ = std::string(folder) + "/crema_fuzz." + std::to_string(getpid());
  std::ofstream file(path_, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  if (!file.flush()) std::abort();
}

TemporaryFile::~TemporaryFile() { unlink(path_.c_str()); }

void ExpectResultOrError(void (*read)(const std::string& path), const uint8_t* bytes, size_t size) {
  const TemporaryFile file(bytes, size);
  try {
    read(file.path());
  } catch (const Error& error) {
    if (error.what()[0] == '\0') std::abort();  // an answer says something
  }
}

}  // namespace crema

// Warnings about bad files would be most of what the program prints.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  FLAGS_logtostderr = true;
  return 0;
}
