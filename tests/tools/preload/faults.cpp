// Preloaded into the tool by its tests: counts what a run shows to the outside, and ends the
// process or makes a call fail at a chosen one of these events.
//
// Events are numbered from 1: each line of the log, before and after it is written; each piece of
// 64 bytes written to a file; and fsync, rename and unlink, before and after. In the environment:
//   CREMA_KILL_AT=N    SIGKILL at event N
//   CREMA_FAIL_AT=N    the call of event N fails, for want of room
//   CREMA_EVENTS=FILE  a line for each event: what it was
// And without a number:
//   CREMA_FAIL_READ=END    the second read() of each file whose path ends so fails (EIO)
//   CREMA_NO_LOCKS=N       locks of open files fail, with error N
//   CREMA_THREADS=N        no more than N threads are started in all; then it fails
//   CREMA_RAISE_AT=TEXT    CREMA_RAISE, a signal's number, is raised where the log says TEXT
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>

namespace {

constexpr size_t kPiece = 64;

template <class F>
F* Next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

long Number(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? 0 : atol(value);
}

ssize_t RealWrite(int fd, const void* data, size_t size) {
  static auto* const next = Next<ssize_t(int, const void*, size_t)>("write");
  return next(fd, data, size);
}

void Record(const char* what, const char* detail, size_t length) {
  static const char* const path = getenv("CREMA_EVENTS");
  static const int fd = path == nullptr ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd < 0) return;
  char line[512];
  const int room = static_cast<int>(std::min(length, size_t{400}));
  int size = snprintf(line, sizeof line, "%s %.*s", what, room, detail);
  for (int i = 0; i < size; ++i) {
    if (line[i] == '\n') line[i] = ' ';
  }
  line[size++] = '\n';
  if (RealWrite(fd, line, static_cast<size_t>(size)) != size) abort();
}

// Returns whether the call has to fail.
bool Event(const char* what, const char* detail, size_t length) {
  static const long kill_at = Number("CREMA_KILL_AT"), fail_at = Number("CREMA_FAIL_AT");
  static std::atomic<long> count{0};
  const long number = ++count;
  Record(what, detail, length);
  if (number == kill_at) kill(getpid(), SIGKILL);
  if (number != fail_at) return false;
  errno = ENOSPC;
  return true;
}

bool Event(const char* what, const char* detail) { return Event(what, detail, strlen(detail)); }

bool IsFile(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

// Whether this is the second read of a file that is to fail then.
bool IsFailingRead(int fd) {
  static const char* const end = getenv("CREMA_FAIL_READ");
  static std::atomic<int> reads[1024];
  if (end == nullptr || fd < 0 || fd >= 1024) return false;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path);
  const size_t wanted = strlen(end);
  if (length < static_cast<ssize_t>(wanted) || memcmp(path + length - wanted, end, wanted) != 0) {
    reads[fd] = 0;
    return false;
  }
  return ++reads[fd] == 2;
}

bool HasNoLocks() {
  if (getenv("CREMA_NO_LOCKS") == nullptr) return false;
  errno = static_cast<int>(Number("CREMA_NO_LOCKS"));
  return true;
}

int Fcntl(int fd, int command, void* argument) {
  static auto* const next = Next<int(int, int, ...)>("fcntl");
  const bool locks = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
  return locks && HasNoLocks() ? -1 : next(fd, command, argument);
}

void RaiseAt(const char* log, size_t length) {
  static const char* const text = getenv("CREMA_RAISE_AT");
  if (text == nullptr || std::string(log, length).find(text) == std::string::npos) return;
  raise(static_cast<int>(Number("CREMA_RAISE")));
}

}  // namespace

extern "C" {

ssize_t read(int fd, void* data, size_t size) {
  static auto* const next = Next<ssize_t(int, void*, size_t)>("read");
  if (!IsFailingRead(fd)) return next(fd, data, size);
  errno = EIO;
  return -1;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) {
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static auto* const next = Next<Create>("pthread_create");
  static std::atomic<long> started{0};
  if (getenv("CREMA_THREADS") != nullptr && started++ >= Number("CREMA_THREADS")) return EAGAIN;
  return next(thread, attributes, run, argument);
}

int flock(int fd, int operation) {
  static auto* const next = Next<int(int, int)>("flock");
  return HasNoLocks() ? -1 : next(fd, operation);
}

int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return Fcntl(fd, command, argument);
}

// What some C libraries make of it.
int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return Fcntl(fd, command, argument);
}

ssize_t write(int fd, const void* data, size_t size) {
  if (!IsFile(fd)) return RealWrite(fd, data, size);
  if (Event("write", "")) return -1;
  return RealWrite(fd, data, std::min(size, kPiece));
}

size_t fwrite(const void* data, size_t size, size_t count, FILE* file) {
  static auto* const next = Next<size_t(const void*, size_t, size_t, FILE*)>("fwrite");
  if (file == stderr) Event("log", static_cast<const char*>(data), size * count);
  const size_t written = next(data, size, count, file);
  if (file == stderr) Event("logged", "");
  if (file == stderr) RaiseAt(static_cast<const char*>(data), size * count);
  return written;
}

int fsync(int fd) {
  static auto* const next = Next<int(int)>("fsync");
  if (Event("fsync", "")) return -1;
  const int result = next(fd);
  Event("synced", "");
  return result;
}

int rename(const char* from, const char* to) {
  static auto* const next = Next<int(const char*, const char*)>("rename");
  if (Event("rename", to)) return -1;
  const int result = next(from, to);
  Event("renamed", to);
  return result;
}

int unlink(const char* path) {
  static auto* const next = Next<int(const char*)>("unlink");
  Event("unlink", path);
  const int result = next(path);
  const int code = errno;
  Event("unlinked", path);
  errno = code;
  return result;
}

}  // extern "C"
