#include "train/append_file.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "crema/base/error.h"

namespace crema {
namespace {

// The size of a regular file; -1 for pipes and terminals, which have none.
off_t SizeOf(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

// The position behind the last '\n'.
off_t EndOfLines(int fd, off_t size) {
  char byte = 0;
  while (size > 0 && (pread(fd, &byte, 1, size - 1) != 1 || byte != '\n')) --size;
  return size;
}

}  // namespace

AppendFile::AppendFile(const std::string& path) : path_(path) {
  // Reading is for ContinueLines; a pipe is opened for writing only, lest it waits for itself.
  struct stat info;
  const bool special = stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  fd_ = open(path.c_str(), (special ? O_WRONLY : O_RDWR) | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) Fail(path, ": cannot be written: ", std::strerror(errno));
}

AppendFile::~AppendFile() { close(fd_); }

void AppendFile::Append(const std::string& record) {
  const off_t before = SizeOf(fd_);
  ssize_t written;
  do {
    written = write(fd_, record.data(), record.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(record.size())) {
    warned_ = false;
    return;
  }
  const std::string reason = written < 0 ? std::strerror(errno) : "the disk is full";
  const bool restored = before < 0 || written <= 0 || ftruncate(fd_, before) == 0;
  if (!warned_) {
    LOG(WARNING) << path_ << ": cannot be written: " << reason << "; training continues without it"
                 << (restored ? "" : ", and its last record is damaged");
  }
  warned_ = true;  // until a record is written again
}

void AppendFile::ContinueLines(const std::string& begin, const std::string& what) {
  const off_t size = SizeOf(fd_);
  if (size <= 0) return;
  std::string found(begin.size(), '\0');
  const ssize_t read = pread(fd_, &found[0], found.size(), 0);
  found.resize(read > 0 ? static_cast<size_t>(read) : 0);
  if (begin.compare(0, found.size(), found) != 0 || found.empty()) {
    Fail(path_, ": exists and is not ", what, "; use another name");
  }
  const off_t end = EndOfLines(fd_, size);
  if (end < size && ftruncate(fd_, end) != 0) {
    Fail(path_, ": cannot be written: ", std::strerror(errno));
  }
}

double UnixTime() {
  using Clock = std::chrono::system_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace crema
