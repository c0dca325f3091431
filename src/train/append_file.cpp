#include "train/append_file.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/files.h"
#include "crema/error.h"

namespace crema {
namespace {

// The size of a regular file; -1 for pipes and terminals, which have none.
off_t SizeOf(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

// The position behind the last '\n'; -1 if the file cannot be read.
off_t EndOfLines(int fd, off_t size) {
  for (char byte = 0; size > 0; --size) {
    if (pread(fd, &byte, 1, size - 1) != 1) return -1;
    if (byte == '\n') break;
  }
  return size;
}

// No line of ours is longer.
constexpr size_t kLongestLine = size_t{1} << 26;

// What stands between the two positions; as much of it as a line of ours may have.
std::string LastLine(int fd, off_t begin, off_t end) {
  std::string line(std::min(kLongestLine, static_cast<size_t>(end - begin)), ' ');
  const ssize_t read = pread(fd, &line[0], line.size(), begin);
  line.resize(read > 0 ? static_cast<size_t>(read) : 0);
  return line;
}

bool IsBeginning(const std::string& part, const std::string& text) {
  return text.compare(0, part.size(), part) == 0;
}

// What some file systems leave of a line after a crash.
bool IsZeros(const std::string& line) {
  return !line.empty() && line.find_first_not_of('\0') == std::string::npos;
}

// Reading is for ContinueLines. A pipe is opened for writing only, lest it waits for itself, and
// nothing waits for its reader: training is worth more.
int Open(const std::string& path) {
  if (IsStream(path)) return OpenStreamForWriting(path).Release();
  return OpenRetrying(path.c_str(), O_RDWR | O_APPEND | O_CREAT, 0666);
}

// One call to the system.
ssize_t WriteOnce(int fd, const std::string& bytes) {
  ssize_t written;
  do written = write(fd, bytes.data(), bytes.size());
  while (written < 0 && errno == EINTR);
  return written;
}

// Why a record was not written, or not all of it.
std::string ReasonOf(ssize_t written) {
  if (written >= 0) return "the disk or the pipe is full";
  return errno == EAGAIN ? "its reader is too slow" : ErrorText(errno);
}

}  // namespace

AppendFile::AppendFile(const std::string& path) : path_(path) {
  fd_ = Open(path);
  if (fd_ < 0) Fail(InFile(path), ": cannot be written: ", ErrorText(errno));
}

AppendFile::~AppendFile() { close(fd_); }

void AppendFile::Append(const std::string& record) {
  if (!FinishRecord()) return;
  const off_t before = SizeOf(fd_);
  const ssize_t written = WriteOnce(fd_, record);
  if (written == static_cast<ssize_t>(record.size())) {
    warned_of_.clear();
    return;
  }
  const std::string reason = ReasonOf(written);
  const bool is_cut = written > 0 && (before < 0 || ftruncate(fd_, before) != 0);
  if (is_cut && before < 0) rest_ = record.substr(static_cast<size_t>(written));
  Warn(reason, is_cut && before >= 0 ? ", and its last record is damaged" : "");
}

// What a pipe had no room for must come before the next record. Returns false if it still has none.
bool AppendFile::FinishRecord() {
  if (rest_.empty()) return true;
  const ssize_t written = WriteOnce(fd_, rest_);
  if (written < 0) Warn(ReasonOf(written), "");
  if (written > 0) rest_.erase(0, static_cast<size_t>(written));
  return rest_.empty();
}

// Once for each reason, until a record is written again.
void AppendFile::Warn(const std::string& reason, const std::string& consequence) {
  if (warned_of_ != reason) {
    LOG(WARNING) << path_ << ": cannot be written: " << reason << "; training continues without it"
                 << consequence;
  }
  warned_of_ = reason;
}

void AppendFile::ContinueLines(const std::string& begin, const std::string& what,
                               const std::function<bool(const std::string& line)>& is_cut) {
  const off_t size = SizeOf(fd_);
  if (size <= 0) return;
  std::string found(begin.size(), '\0');
  const ssize_t read = pread(fd_, &found[0], found.size(), 0);
  if (read < 0) Fail(InFile(path_), ": cannot be read: ", ErrorText(errno));
  found.resize(static_cast<size_t>(read));
  if (begin.compare(0, found.size(), found) != 0 || found.empty()) {
    Fail(InFile(path_), ": exists and is not ", what, "; use another name");
  }
  const off_t end = EndOfLines(fd_, size);
  if (end < 0)
    Fail(InFile(path_), ": cannot be read to its end; use another name, or check the disk");
  if (end == size) return;
  const std::string line = LastLine(fd_, end, size);
  if (line.empty()) Fail(InFile(path_), ": cannot be read to its end; use another name");
  const bool is_ours =
      line.size() < kLongestLine && (IsBeginning(line, begin) || IsBeginning(begin, line));
  const bool drops = IsZeros(line) || (is_ours && is_cut(line));
  const bool done = drops ? ftruncate(fd_, end) == 0 : WriteOnce(fd_, "\n") == 1;
  if (!done) Fail(InFile(path_), ": cannot be written: ", ErrorText(errno));
}

double UnixTime() {
  using Clock = std::chrono::system_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace crema
