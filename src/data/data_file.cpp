#include "data/data_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "crema/error.h"
#include "data/record_source.h"

namespace crema {
namespace {

// What is read at once where reading goes forward, and the largest request that this helps.
constexpr size_t kAhead = size_t{256} << 10, kSmall = kAhead / 4;

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

[[noreturn]] void FailToOpen(const std::string& path, const std::string& title, int code) {
  const std::string name = NameOf(path);
  if (code == ENOENT) {
    FailDatabase(title, "opened", name + " is missing; copy it again or recreate it");
  }
  FailDatabase(title, "opened", name + ": " + ErrorText(code));
}

void CheckRegular(const struct stat& status, const std::string& path, const std::string& title) {
  if (S_ISREG(status.st_mode)) return;
  FailDatabase(title, "opened",
               NameOf(path) + " is not a regular file; copy it again or recreate it");
}

int64_t Nanoseconds(const struct timespec& time) {
  return int64_t{1000000000} * time.tv_sec + time.tv_nsec;
}

}  // namespace

bool DataFile::Stamp::operator==(const Stamp& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         modified == other.modified && changed == other.changed;
}

DataFile::DataFile(const std::string& path, const std::string& title, OpenFiles* files)
    : path_(path), name_(NameOf(path)), title_(title), files_(files) {
  const OpenFiles::Handle opened = Open();
  stamp_ = Inspect(*opened);
  if (files_ == nullptr) {
    held_ = opened;
  } else {
    files_->Keep(this, opened);
  }
}

DataFile::DataFile(int number, const std::string& path, const std::string& title)
    : path_(path),
      name_(NameOf(path)),
      title_(title),
      files_(nullptr),
      held_(std::make_shared<const Descriptor>(number)) {
  stamp_ = Inspect(*held_);
}

DataFile::~DataFile() {
  if (files_ != nullptr) files_->Drop(this);
}

// O_NONBLOCK: else opening a pipe waits until somebody writes to it.
OpenFiles::Handle DataFile::Open() const {
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  int number = OpenRetrying(path_.c_str(), kFlags);
  while (number < 0 && errno == EMFILE && files_ != nullptr && files_->CloseOne()) {
    number = OpenRetrying(path_.c_str(), kFlags);
  }
  const bool was_open = stamp_.inode != 0;
  if (number < 0 && errno == ENOENT && was_open) FailReplaced();
  if (number < 0) FailToOpen(path_, title_, errno);
  return std::make_shared<const Descriptor>(number);
}

DataFile::Stamp DataFile::Inspect(const Descriptor& file) const {
  struct stat status;
  if (fstat(file.get(), &status) != 0) FailToOpen(path_, title_, errno);
  CheckRegular(status, path_, title_);
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
          Nanoseconds(status.st_mtim), Nanoseconds(status.st_ctim)};
}

DataFile::Stamp DataFile::StampNow() const {
  OpenFiles::Handle held;
  (void)NumberOf(&held);
  return Inspect(files_ == nullptr ? *held_ : *held);
}

// The descriptor, which stays open while `held` lives.
int DataFile::NumberOf(OpenFiles::Handle* held) const {
  if (files_ == nullptr) return held_->get();
  *held = files_->Find(this);
  if (*held != nullptr) return (*held)->get();
  *held = Open();
  const Stamp found = Inspect(**held);
  if (found.device != stamp_.device || found.inode != stamp_.inode) FailReplaced();
  files_->Keep(this, *held);
  return (*held)->get();
}

void DataFile::FailReplaced() const {
  FailDatabase(title_, "read",
               name_ +
                   " has been removed or replaced since it was opened; do not change a "
                   "database while it is in use");
}

uint64_t SizeOfDataFile(const std::string& path, const std::string& title) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) FailToOpen(path, title, errno);
  CheckRegular(status, path, title);
  return static_cast<uint64_t>(status.st_size);
}

size_t DataFile::ReadUpTo(uint64_t offset, size_t least, size_t most, char* to) const {
  CheckInside(offset, least);
  OpenFiles::Handle held;
  const int number = NumberOf(&held);
  size_t done = 0;
  while (done < least) {
    const ssize_t count = pread(number, to + done, most - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      FailDatabase(title_, "read",
                   Concat(name_, " cannot be read at byte ", offset + done, ": ", ErrorText(errno),
                          "; check the disk, or copy it again"));
    }
    if (count == 0) {
      FailDatabase(title_, "read",
                   Concat(name_, " has shrunk to ", offset + done, " of ", size(),
                          " bytes since it was opened; copy it again or recreate it, and do not "
                          "change a database while it is in use"));
    }
    done += static_cast<size_t>(count);
  }
  return done;
}

void DataFile::ReadInTwo(uint64_t offset, size_t first, char* to_first, size_t second,
                         char* to_second) const {
  CheckInside(offset, first + second);
  OpenFiles::Handle held;
  const int number = NumberOf(&held);
  const iovec parts[] = {{to_first, first}, {to_second, second}};
  const ssize_t count = preadv(number, parts, 2, static_cast<off_t>(offset));
  if (count == static_cast<ssize_t>(first + second)) return;
  Read(offset, first, to_first);  // these say what is wrong, if it is still
  Read(offset + first, second, to_second);
}

void DataFile::CheckInside(uint64_t offset, uint64_t count) const {
  if (offset <= size() && count <= size() - offset) return;
  Damaged(
      Concat("it has only ", size(), " bytes, but refers to ", count, " bytes at byte ", offset));
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
