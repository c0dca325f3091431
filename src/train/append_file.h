// A file that grows by whole records while something else may read it.
#pragma once

#include <functional>
#include <string>

namespace crema {

// One thread at a time. Where the disk is full or failing, training is worth more than its record:
// a record that cannot be written is left out with a warning, and the file keeps what it had.
class AppendFile {
 public:
  // Opens the file, or makes it. Throws Error where that fails, and where it is a pipe that nobody
  // reads. A record that a pipe's reader is too slow for is left out. Where the reader has gone,
  // the system raises SIGPIPE, which the program should ignore; then a warning says so.
  explicit AppendFile(const std::string& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  const std::string& path() const { return path_; }

  // Adds all of `record` with one call to the system, or nothing. A pipe that has room for a part
  // gets the rest before the next record.
  void Append(const std::string& record);

  // For text: where the last line has no end, drops it if a crash of the machine has left it half
  // written, and ends it otherwise. `is_cut` tells of a line that begins with `begin`, or is the
  // beginning of that, whether it is only a part; other lines are somebody else's, and stay, unless
  // they are zeros. Throws Error where a file that holds something does not begin with `begin`; it
  // is then as it was. `what` says what it should be, as in "a metrics file".
  void ContinueLines(const std::string& begin, const std::string& what,
                     const std::function<bool(const std::string& line)>& is_cut);

 private:
  bool FinishRecord();
  void Warn(const std::string& reason, const std::string& consequence);

  std::string path_;
  int fd_;
  std::string rest_;       // of a record, for a pipe
  std::string warned_of_;  // why the last record was not written; "" if it was
};

// Seconds since 1970.
double UnixTime();

}  // namespace crema
