// The lines of a log, whatever program it went through.
#pragma once

#include <cstddef>
#include <string>

namespace crema {

// Lines end with a line feed, a carriage return (progress that was written over itself) or both.
// UTF-16, as PowerShell writes it, becomes UTF-8. Left out: byte order marks, and what sets the
// colours of a terminal.
class LogLines {
 public:
  explicit LogLines(const std::string& bytes);

  // Gives the next line; false where there is none. There is at least one; the last one is empty if
  // the text ends with the end of a line.
  bool Next(std::string* line);

 private:
  std::string text_;
  size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace crema
