#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>

#include "crema/error.h"

namespace crema {
namespace {

bool IsNull(const struct stat& info) {
  return S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
}

// What is wrong with an open file; "" if it is accepted.
std::string WhyNotAccepted(int fd, const struct stat& info, Accept accept) {
  if (S_ISREG(info.st_mode)) return "";
  if (S_ISDIR(info.st_mode)) return "is a folder, not a file";
  const bool is_pipe = S_ISFIFO(info.st_mode);
  const bool has_end = is_pipe || IsNull(info) || isatty(fd) != 0;
  if (accept == Accept::kFileOrPipe && has_end) return "";
  return is_pipe ? "is a pipe, not a file" : "is a device or a socket, not a file";
}

bool IsRegular(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// Without O_NONBLOCK, opening a pipe waits for somebody who writes to it. With it, opening a file
// that a server has lent to somebody else (Samba's, for one) fails until it has been given back.
int OpenWithoutWaiting(const std::string& path) {
  const int fd = OpenRetrying(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  const bool is_lent = fd < 0 && errno == EWOULDBLOCK && IsRegular(path);
  return is_lent ? OpenRetrying(path.c_str(), O_RDONLY | O_NOCTTY) : fd;
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

// Reading waits again: a pipe that has a writer is worth it.
Descriptor TryOpenForReading(const std::string& path, Accept accept, std::string* why) {
  Descriptor file(OpenWithoutWaiting(path));
  struct stat info = {};
  if (!file.ok() || fstat(file.get(), &info) != 0) {
    *why = "cannot be opened: " + ErrorText(errno);
    return Descriptor();
  }
  *why = WhyNotAccepted(file.get(), info, accept);
  if (!why->empty()) return Descriptor();
  fcntl(file.get(), F_SETFL, 0);
  return file;
}

Descriptor OpenForReading(const std::string& path, Accept accept) {
  std::string why;
  Descriptor file = TryOpenForReading(path, accept, &why);
  if (!file.ok()) Fail(InFile(path), ": ", why);
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
  if (unread) Fail(InFile(path), ": is a pipe that nobody reads; start its reader first");
  Fail(InFile(path), ": cannot be written: ", ErrorText(code));
}

bool IsStream(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

Descriptor DescriptorNamed(const std::string& path) {
  if (path == "/dev/stdout") return Descriptor(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  if (path == "/dev/stderr") return Descriptor(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  for (const std::string folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (path.compare(0, folder.size(), folder) != 0) continue;
    const char* const end = path.data() + path.size();
    int fd = -1;
    const auto parsed = std::from_chars(path.data() + folder.size(), end, fd);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == end && fd >= 0;
    if (is_number) return Descriptor(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  }
  return Descriptor();
}

int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return EIO;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

}  // namespace crema
