#include "schema/hdf5_output_file.h"

#include <glog/logging.h>
#include <sys/stat.h>

#include <exception>
#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>

#include "crema/error.h"
#include "schema/file_kind.h"

namespace crema {
namespace {

// The files that this process is writing.
struct Claims {
  std::mutex mutex;
  std::set<std::string> places;
};

Claims& AllClaims() {
  static Claims claims;
  return claims;
}

// An empty file is nobody's.
void CheckIsReplaceable(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0 || info.st_size == 0) return;
  constexpr size_t kSignature = 64;
  std::string begin(kSignature, '\0');
  const Descriptor file = OpenForReading(path);
  const ssize_t size = ReadRetrying(file.get(), &begin[0], begin.size());
  begin.resize(size > 0 ? static_cast<size_t>(size) : 0);
  if (IsHdf5(begin)) return;
  Fail(InFile(path), ": exists and is not an HDF5 file; remove it, or choose another file_name");
}

}  // namespace

Hdf5OutputFile::Claim::Claim(const std::string& path) {
  std::error_code failed;
  const auto place = std::filesystem::weakly_canonical(path, failed);
  place_ = failed ? path : place.string();
  const std::lock_guard<std::mutex> lock(AllClaims().mutex);
  if (AllClaims().places.insert(place_).second) return;
  Fail(
      path,
      ": is the file of another layer or net of this program, too; give each its own file_name, or "
      "leave one layer out, as with include { phase: TEST }");
}

Hdf5OutputFile::Claim::~Claim() {
  const std::lock_guard<std::mutex> lock(AllClaims().mutex);
  AllClaims().places.erase(place_);
}

Hdf5OutputFile::Hdf5OutputFile(const std::string& path)
    : path_(path), claim_(path), exceptions_(std::uncaught_exceptions()) {
  CheckWritable(path);
  CheckIsReplaceable(path);
}

Hdf5OutputFile::~Hdf5OutputFile() {
  try {
    if (std::uncaught_exceptions() > exceptions_) Drop();
    Finish();
  } catch (const std::exception& error) {
    LOG(ERROR) << error.what();
  }
}

void Hdf5OutputFile::Append(const std::string& dataset, const std::vector<int64_t>& shape,
                            const float* values) {
  try {
    if (file_ == nullptr) {
      pending_ = std::make_unique<PendingFile>(path_);
      file_ = std::make_unique<Hdf5File>(Hdf5File::Create(pending_->temporary(), path_));
    }
    file_->Append(dataset, shape, values);
  } catch (...) {
    Drop();
    throw;
  }
}

void Hdf5OutputFile::Flush() {
  if (file_ == nullptr) return;
  try {
    file_->Flush();
  } catch (...) {
    Drop();
    throw;
  }
}

void Hdf5OutputFile::Finish() {
  if (file_ == nullptr) return;
  try {
    file_->Close();
    pending_->Commit();
  } catch (...) {
    Drop();
    throw;
  }
  Drop();  // of which nothing is left
}

void Hdf5OutputFile::Drop() {
  file_.reset();
  pending_.reset();
}

}  // namespace crema
