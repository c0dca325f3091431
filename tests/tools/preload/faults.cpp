// Preloaded into the tool by its tests: counts what a run shows to the outside, and ends the
// process or makes a call fail at a chosen one of these events.
//
// Events are numbered from 1: each line of the log, before and after it is written; each piece of
// 64 bytes written to a file; and fsync, rename and unlink, before and after. In the environment:
//   CREMA_KILL_AT=N    SIGKILL at event N
//   CREMA_FAIL_AT=N    the call of event N fails, for want of room
//   CREMA_EVENTS=FILE  a line for each event: what it was
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

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

}  // namespace

extern "C" {

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
