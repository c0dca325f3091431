#include "output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <streambuf>
#include <system_error>

#include "base/files.h"
#include "base/printable.h"

namespace crema {
namespace {

// Passes lines on when they are complete. Several threads may write.
class PrintableBuffer : public std::streambuf {
 public:
  explicit PrintableBuffer(std::streambuf* to) : to_(to) {}

  // The code of the first error; 0 if there was none.
  int error() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return error_;
  }

 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    const char letter = traits_type::to_char_type(c);
    return xsputn(&letter, 1) == 1 ? c : traits_type::eof();
  }
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    pending_.append(text, static_cast<size_t>(size));
    const size_t end = pending_.rfind('\n');
    return end == std::string::npos || PassOn(end + 1) ? size : 0;
  }
  int sync() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return PassOn(pending_.size()) && Note([&] { return to_->pubsync() == 0; }) ? 0 : -1;
  }

 private:
  bool PassOn(size_t size) {
    const std::string shown = PrintableLines(std::string_view(pending_).substr(0, size));
    pending_.erase(0, size);
    const auto length = static_cast<std::streamsize>(shown.size());
    return Note([&] { return to_->sputn(shown.data(), length) == length; });
  }
  template <class Action>
  bool Note(const Action& action) {
    errno = 0;
    const bool done = action();
    if (!done && error_ == 0) error_ = errno != 0 ? errno : EIO;
    return done;
  }

  std::streambuf* to_;
  std::string pending_;
  int error_ = 0;
  mutable std::mutex mutex_;
};

// Of std::cout. Never destroyed: what is written at the exit goes through it.
PrintableBuffer& TheBuffer() {
  static auto* const buffer = new PrintableBuffer(std::cout.rdbuf());
  return *buffer;
}

// libpng says on standard error what is wrong with a file, without its name, and ends the line in
// a call of its own. Messages of crema's say it with the name.
class PngTalk {
 public:
  // Whether `text`, which one call wrote, is libpng's. Several threads may read images.
  bool Is(std::string_view text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto begins = [&](std::string_view word) { return text.substr(0, word.size()) == word; };
    if (begins("libpng warning: ") || begins("libpng error: ")) {
      if (text.back() != '\n') ++open_lines_;
      return true;
    }
    if (open_lines_ == 0 || text != "\n") return false;
    --open_lines_;
    return true;
  }

 private:
  std::mutex mutex_;
  int open_lines_ = 0;
};

ssize_t WriteShown(void*, const char* data, size_t size) {
  static auto* const png = new PngTalk;  // never destroyed: what is written at the exit passes it
  if (png->Is({data, size})) return static_cast<ssize_t>(size);
  return WriteAll(STDERR_FILENO, ShownText({data, size})) == 0 ? static_cast<ssize_t>(size) : 0;
}

void FilterStderr() {
  cookie_io_functions_t functions = {};
  functions.write = WriteShown;
  FILE* const stream = fopencookie(nullptr, "w", functions);
  if (stream == nullptr) return;
  std::setvbuf(stream, nullptr, _IONBF, 0);
  stderr = stream;  // never closed
}

bool HasNoReader(int fd) {
  pollfd end = {fd, POLLOUT, 0};
  return poll(&end, 1, 0) == 1 && (end.revents & POLLERR) != 0;
}

// ESC [ numbers m.
bool IsColor(std::string_view text) {
  return text.size() >= 3 && text.substr(0, 2) == "\x1b[" && text.back() == 'm' &&
         text.find_first_not_of("0123456789;", 2) == text.size() - 1;
}

}  // namespace

void SetUpOutput() {
  std::signal(SIGPIPE, SIG_IGN);
  std::cout.rdbuf(&TheBuffer());
  FilterStderr();
}

void PrintError(std::string message) {
  constexpr size_t kHead = 3000, kTail = 1000;
  while (!message.empty() && message.back() == '\n') message.pop_back();
  std::replace(message.begin(), message.end(), '\n', ' ');
  if (message.size() > kHead + kTail) {
    message.replace(kHead, message.size() - kHead - kTail, " [...] ");
  }
  std::cerr << "crema: " << Printable(message, kWholeText) << std::endl;
}

int FinishOutput(int status) {
  std::cout.flush();
  if (std::cout || status != 0) return status;
  if (HasNoReader(STDOUT_FILENO)) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
    return 128 + SIGPIPE;
  }
  PrintError("cannot write to standard output: " +
             std::generic_category().message(TheBuffer().error()));
  return 1;
}

std::string ShownText(std::string_view text) {
  return IsColor(text) ? std::string(text) : PrintableLines(text);
}

}  // namespace crema
