#include "data/record_writer.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "crema/base/error.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

// A transaction holds this much at most.
constexpr size_t kBatchRecords = 1000;
constexpr size_t kBatchBytes = size_t{16} << 20;

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() != fs::file_type::not_found;
}

// Makes the folder, or takes over and empties the one of a process that is gone. Returns an open
// file that holds its lock.
int TakeFolder(const std::string& folder, const std::string& title) {
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    FailDatabase(title, "created",
                 Concat("cannot create the folder '", folder, "': ", std::strerror(errno)));
  }
  const int lock = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock < 0) FailDatabase(title, "created", Concat("'", folder, "': ", std::strerror(errno)));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(lock);
    FailDatabase(title, "created", "another process is creating it; wait until that has finished");
  }
  std::error_code ignored;
  bool was_empty = true;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    was_empty = false;
    fs::remove_all(entry.path(), ignored);
  }
  if (!was_empty) LOG(INFO) << "Removed " << folder << ", left by a process that was killed";
  return lock;
}

void SyncFolder(const fs::path& folder) {
  const int file = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace

RecordWriter::RecordWriter(Backend backend, const std::string& path)
    : path_(WithoutTrailingSlash(path)),
      partial_(path_ + ".partial"),
      title_(Concat(ToString(backend), " '", path_, "'")) {
  if (path_.empty()) Fail("the name of the ", ToString(backend), " to create is empty");
  if (Exists(path_)) {
    FailDatabase(title_, "created", "it already exists; remove it or choose another name");
  }
  lock_ = TakeFolder(partial_, title_);
  try {
    sink_ =
        backend == Backend::kLmdb ? CreateLmdb(partial_, title_) : CreateLevelDb(partial_, title_);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(partial_, ignored);
    close(lock_);
    throw;
  }
}

RecordWriter::~RecordWriter() {
  if (lock_ < 0) return;
  if (count_ > 0) {
    LOG(WARNING) << title_ << " is incomplete; removing the " << count_
                 << " records written so far";
  }
  sink_.reset();
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
  close(lock_);
}

void RecordWriter::Put(std::string key, std::string value) {
  waiting_bytes_ += key.size() + value.size();
  waiting_.emplace_back(std::move(key), std::move(value));
  ++count_;
  if (waiting_.size() >= kBatchRecords || waiting_bytes_ >= kBatchBytes) Flush();
}

void RecordWriter::Flush() {
  sink_->Write(waiting_);
  waiting_.clear();
  waiting_bytes_ = 0;
}

void RecordWriter::Finish() {
  if (count_ == 0) FailDatabase(title_, "created", "there are no records to store");
  Flush();
  sink_->Close();
  sink_.reset();
  if (rename(partial_.c_str(), path_.c_str()) != 0) {
    FailDatabase(title_, "created",
                 Concat("'", partial_, "' cannot be renamed: ", std::strerror(errno)));
  }
  close(lock_);
  lock_ = -1;
  SyncFolder(fs::path(path_).parent_path());
}

}  // namespace crema
