#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "crema/base/error.h"

namespace crema {
namespace {

// What is wrong with an open file of such a kind; "" if it is accepted.
std::string WhyNotAccepted(mode_t mode, Accept accept) {
  if (S_ISREG(mode)) return "";
  if (S_ISDIR(mode)) return "is a folder, not a file";
  if (!S_ISFIFO(mode)) return "is a device or a socket, not a file";
  return accept == Accept::kFileOrPipe ? "" : "is a pipe, not a file";
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) close(fd_);
  fd_ = other.Release();
  return *this;
}

int Descriptor::Release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

int OpenRetrying(const char* path, int flags, mode_t mode) {
  int fd;
  do fd = open(path, flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

ssize_t ReadRetrying(int fd, char* buffer, size_t size) {
  ssize_t count;
  do count = read(fd, buffer, size);
  while (count < 0 && errno == EINTR);
  return count;
}

std::string ErrorText(int code) { return std::generic_category().message(code); }

// Without O_NONBLOCK, opening a pipe waits for somebody who writes to it, and opening some devices
// has effects. It is taken back for reading: a pipe that has a writer is worth waiting for.
Descriptor TryOpenForReading(const std::string& path, Accept accept, std::string* why) {
  Descriptor file(OpenRetrying(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat info = {};
  if (!file.ok() || fstat(file.get(), &info) != 0) {
    *why = "cannot be opened: " + ErrorText(errno);
    return Descriptor();
  }
  *why = WhyNotAccepted(info.st_mode, accept);
  if (!why->empty()) return Descriptor();
  if (S_ISFIFO(info.st_mode)) fcntl(file.get(), F_SETFL, 0);
  return file;
}

Descriptor OpenForReading(const std::string& path, Accept accept) {
  std::string why;
  Descriptor file = TryOpenForReading(path, accept, &why);
  if (!file.ok()) Fail(path, ": ", why);
  return file;
}

std::string WhyNotReadable(const std::string& path) {
  std::string why;
  TryOpenForReading(path, Accept::kFile, &why);
  return why;
}

Descriptor OpenStreamForWriting(const std::string& path) {
  Descriptor stream(OpenRetrying(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY));
  if (stream.ok()) return stream;
  struct stat info = {};
  const int code = errno;
  const bool unread = code == ENXIO && stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
  if (unread) Fail(path, ": is a pipe that nobody reads; start its reader first");
  Fail(path, ": cannot be written: ", ErrorText(code));
}

bool IsStream(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

}  // namespace crema
