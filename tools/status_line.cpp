#include "status_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/files.h"
#include "crema/error.h"
#include "output.h"

namespace crema {
namespace {

size_t WidthOf(int terminal) {
  winsize size = {};
  const bool known = ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col : 80;
}

}  // namespace

StatusLine::~StatusLine() {
  Hide();
  if (stream_ != nullptr) std::fclose(stream_);
}

void StatusLine::Show(const std::string& text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string line = "\r" + text.substr(0, WidthOf(fd_) - 1) + "\x1B[K";
  shown_ = true;
  WriteAll(fd_, line);  // lost if the terminal is gone: nobody could read it
}

void StatusLine::Hide() {
  const std::lock_guard<std::mutex> lock(mutex_);
  HideLocked();
}

void StatusLine::HideLocked() {
  constexpr char kErase[] = "\r\x1B[K";
  if (shown_) WriteAll(fd_, kErase);
  shown_ = false;
}

ssize_t StatusLine::WriteBehind(void* self, const char* data, size_t size) {
  auto& line = *static_cast<StatusLine*>(self);
  const std::lock_guard<std::mutex> lock(line.mutex_);
  line.HideLocked();
  return WriteAll(line.fd_, ShownText({data, size})) == 0 ? static_cast<ssize_t>(size) : 0;
}

FILE* StatusLine::stream() {
  if (stream_ != nullptr) return stream_;
  cookie_io_functions_t functions = {};
  functions.write = WriteBehind;
  stream_ = fopencookie(this, "w", functions);
  CREMA_CHECK(stream_ != nullptr, "no memory for a stream");
  std::setvbuf(stream_, nullptr, _IONBF, 0);
  return stream_;
}

namespace {

// Whether standard error is a terminal that can erase a line.
bool CanErase() {
  const char* const kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) && kind != nullptr && std::strcmp(kind, "dumb") != 0;
}

}  // namespace

StatusLine* StderrStatusLine() {
  // Never destroyed: what is written at the exit goes through it.
  static StatusLine* const line = [] {
    StatusLine* created = CanErase() ? new StatusLine(STDERR_FILENO) : nullptr;
    if (created != nullptr) stderr = created->stream();  // the log's, too
    return created;
  }();
  return line;
}

}  // namespace crema
