// Opening files that somebody else has named: it never waits, and takes only what is a file.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace crema {

// A file descriptor, closed at the end of its life.
class Descriptor {
 public:
  // Takes it over; -1: none.
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  // What close() finds wrong is not told: whoever writes asks fsync() first.
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }       // for a call of the system; still this object's
  bool ok() const { return fd_ >= 0; }  // whether there is one
  // The caller closes it from now on.
  int Release();

 private:
  int fd_;
};

// open() and read() that go on after a signal. Both may be called from any thread.
int OpenRetrying(const char* path, int flags, mode_t mode = 0);
// May give less than `size` bytes, as read() does; 0 at the end, -1 and errno for an error.
ssize_t ReadRetrying(int fd, char* buffer, size_t size);

// The text of an error code; strerror() may not be called from several threads.
std::string ErrorText(int code);

// What a reader takes: a regular file, or also a pipe, as in --solver=<(program), a terminal, and
// /dev/null.
enum class Accept { kFile, kFileOrPipe };

// Opens a file for reading. Fails, rather than waits or reads for ever, where `path` is a folder, a
// device, a socket, or a pipe that is not accepted. A pipe that nobody writes to is one that has
// ended. If it fails, the result is not ok(), and *why is the rest of a sentence, as in "cannot be
// opened: No such file or directory".
Descriptor TryOpenForReading(const std::string& path, Accept accept, std::string* why);

// The same; throws Error, "PATH: cannot be opened: No such file or directory".
Descriptor OpenForReading(const std::string& path, Accept accept = Accept::kFile);

// Why `path` cannot be read as a file, as above; "" if it can.
std::string WhyNotReadable(const std::string& path);

// Opens what is no regular file, such as a pipe or a terminal, for writing. Neither this nor
// writing to it waits for a reader. Throws Error if that fails, or if it is a pipe that nobody
// reads.
Descriptor OpenStreamForWriting(const std::string& path);

// Whether there is something at `path` that is neither a regular file nor a folder.
bool IsStream(const std::string& path);

// A copy of the descriptor that `path` stands for: /dev/stdout, /dev/stderr, /dev/fd/N or
// /proc/self/fd/N, whatever it leads to. Not ok() if it stands for none, or for one that is closed.
Descriptor DescriptorNamed(const std::string& path);

// Writes all of it. Returns 0, or the error code.
int WriteAll(int fd, std::string_view bytes);

}  // namespace crema
