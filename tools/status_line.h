// The last line of a terminal, written over and over, which gives way to whatever else is written.
#pragma once

#include <cstdio>
#include <mutex>
#include <string>

namespace crema {

class StatusLine {
 public:
  // `terminal` is the descriptor of one.
  explicit StatusLine(int terminal) : fd_(terminal) {}
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // Cut to the terminal's width, as a line of two could not be erased.
  void Show(const std::string& text);
  void Hide();

  // A stream to the terminal for everybody else: the line is erased before what they write.
  FILE* stream();

 private:
  void HideLocked();
  static ssize_t WriteBehind(void* self, const char* data, size_t size);

  int fd_;
  FILE* stream_ = nullptr;
  std::mutex mutex_;
  bool shown_ = false;
};

// The line of standard error; null if that is not a terminal. From the first call on, `stderr`
// erases the line before it writes.
StatusLine* StderrStatusLine();

}  // namespace crema
