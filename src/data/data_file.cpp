#include "data/data_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "crema/base/error.h"
#include "data/record_source.h"

namespace crema {
namespace {

// What is read at once where reading goes forward, and the largest request that this helps.
constexpr size_t kAhead = size_t{256} << 10, kSmall = kAhead / 4;

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// O_NONBLOCK: else opening a pipe waits until somebody writes to it.
int OpenToRead(const std::string& path, const std::string& title) {
  const int number = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (number >= 0) return number;
  const std::string name = NameOf(path);
  if (errno == ENOENT) {
    FailDatabase(title, "opened", name + " is missing; copy it again or recreate it");
  }
  FailDatabase(title, "opened", name + ": " + std::strerror(errno));
}

}  // namespace

DataFile::DataFile(const std::string& path, const std::string& title)
    : DataFile(OpenToRead(path, title), path, title) {}

DataFile::DataFile(int number, const std::string& path, const std::string& title)
    : number_(number), name_(NameOf(path)), title_(title) {
  try {
    Inspect();
  } catch (...) {
    close(number_);
    throw;
  }
}

DataFile::~DataFile() { close(number_); }

void DataFile::Inspect() {
  struct stat status;
  if (fstat(number_, &status) != 0) {
    FailDatabase(title_, "opened", name_ + ": " + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    FailDatabase(title_, "opened", name_ + " is not a regular file; copy it again or recreate it");
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

size_t DataFile::ReadUpTo(uint64_t offset, size_t least, size_t most, char* to) const {
  CheckInside(offset, least);
  size_t done = 0;
  while (done < least) {
    const ssize_t count = pread(number_, to + done, most - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      FailDatabase(title_, "read",
                   Concat(name_, " cannot be read at byte ", offset + done, ": ",
                          std::strerror(errno), "; check the disk, or copy it again"));
    }
    if (count == 0) {
      FailDatabase(title_, "read",
                   Concat(name_, " has shrunk to ", offset + done, " of ", size_,
                          " bytes since it was opened; copy it again or recreate it, and do not "
                          "change a database while it is in use"));
    }
    done += static_cast<size_t>(count);
  }
  return done;
}

void DataFile::CheckInside(uint64_t offset, uint64_t count) const {
  if (offset <= size_ && count <= size_ - offset) return;
  Damaged(
      Concat("it has only ", size_, " bytes, but refers to ", count, " bytes at byte ", offset));
}

void DataFile::Damaged(const std::string& what) const {
  FailDatabase(title_, "read", name_ + " is damaged: " + what + "; copy it again or recreate it");
}

const char* FileWindow::Get(uint64_t offset, size_t count) {
  if (Holds(offset, count)) return buffer_.data() + (offset - begin_);
  file_->CheckInside(offset, count);
  const uint64_t end = begin_ + filled_;
  const bool forward = offset >= begin_ && offset <= end + kSmall;
  size_t most = count;
  if (forward && count < kSmall) {
    most = static_cast<size_t>(std::min<uint64_t>(kAhead, file_->size() - offset));
  }
  filled_ = 0;
  filled_ = file_->ReadUpTo(offset, count, most, buffer_.Reserve(most));
  begin_ = offset;
  ++reads_;
  return buffer_.data();
}

}  // namespace crema
