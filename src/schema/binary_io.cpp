#include "schema/binary_io.h"

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format_lite.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "crema/base/error.h"
#include "schema/file_kind.h"

namespace crema {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint64_t kLargestFile = INT_MAX;

// strerror() may not be called from several threads.
std::string Reason(int code) { return std::generic_category().message(code); }

// A file descriptor, closed at the end of its life.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  // Returns what close() does; some file systems report a full disk only then.
  int Close() {
    const int fd = fd_;
    fd_ = -1;
    return close(fd);
  }

 private:
  int fd_;
};

int OpenRetrying(const char* path, int flags, mode_t mode = 0) {
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

[[noreturn]] void FailTooLarge(const std::string& path) {
  Fail(path, ": is larger than 2 GiB, the limit of this format; larger ones have to be in HDF5");
}

// A few bytes can be both text and protobuf; a few more no longer are.
bool IsText(const std::string& bytes) {
  const auto is_text = [](unsigned char c) { return c >= 0x20 ? c < 0x7f : c >= 9 && c <= 13; };
  if (bytes.size() < 8) return false;
  const size_t checked = std::min<size_t>(bytes.size(), 256);
  return std::all_of(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(checked), is_text);
}

// Returns whether a field may begin so at the top level.
bool IsFieldTag(uint32_t tag) {
  const auto type = WireFormatLite::GetTagWireType(tag);
  return WireFormatLite::GetTagFieldNumber(tag) != 0 &&
         type != WireFormatLite::WIRETYPE_END_GROUP && type <= WireFormatLite::WIRETYPE_FIXED32;
}

// Returns whether the fields at the top level are whole up to an end that cuts the last one short.
bool EndsWithinField(const std::string& bytes) {
  constexpr int kLongestTag = 5;
  const int size = static_cast<int>(bytes.size());
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()), size);
  while (in.CurrentPosition() < size) {
    const int start = in.CurrentPosition();
    const uint32_t tag = in.ReadTag();
    // A byte with its highest bit set promises another one.
    if (tag == 0) return size - start < kLongestTag && (bytes.back() & 0x80) != 0;
    if (!IsFieldTag(tag)) return false;
    if (!WireFormatLite::SkipField(&in, tag)) return true;
  }
  return false;
}

[[noreturn]] void FailUnreadable(const std::string& bytes, const std::string& name,
                                 const std::string& what) {
  const std::string kind = KindOfBytes(bytes);
  if (!kind.empty()) Fail(name, ": is ", kind, ", not ", what);
  if (IsText(bytes)) Fail(name, ": is a text file, not ", what);
  if (EndsWithinField(bytes)) {
    Fail(name, ": ends in the middle of its data, after ", bytes.size(),
         " bytes; it was not copied or written to its end, or is not ", what);
  }
  Fail(name, ": is damaged, or is not ", what);
}

// Returns the file that a path stands for: the end of a chain of symbolic links, or the path.
std::string FollowLinks(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return path;
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) {
    Fail(path, ": cannot be written: it is a link to a place that does not exist: ", Reason(errno));
  }
  std::string target = resolved;
  free(resolved);
  return target;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Returns 0, or the error code.
int WriteAll(int fd, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = write(fd, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return EIO;
    done += static_cast<size_t>(count);
  }
  return 0;
}

// Returns 0, or the error code. Some file systems cannot do it and say so; there is nothing more
// to be done then.
int SyncToDisk(int fd) {
  while (fsync(fd) != 0) {
    if (errno == EINTR) continue;
    return errno == EINVAL || errno == ENOTSUP || errno == EROFS ? 0 : errno;
  }
  return 0;
}

// Returns 0, or the error code.
int WriteNewFile(int fd, const std::string& bytes) {
  Descriptor file(fd);
  int code = WriteAll(fd, bytes);
  if (code == 0) code = SyncToDisk(fd);
  if (file.Close() != 0 && code == 0) code = errno;
  return code;
}

void CheckReplaceable(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return;
  if (S_ISDIR(info.st_mode)) Fail(path, ": cannot be written: it is a folder");
  if (!S_ISREG(info.st_mode)) Fail(path, ": cannot be written: it is not a regular file");
}

std::string TemporaryName(const std::string& path) {
  static std::atomic<uint64_t> count{0};
  return Concat(path, ".tmp.", getpid(), ".", count++);
}

}  // namespace

std::string ReadFileBytes(const std::string& path) {
  Descriptor file(OpenRetrying(path.c_str(), O_RDONLY));
  if (file.get() < 0) Fail(path, ": cannot be opened: ", Reason(errno));
  struct stat info;
  if (fstat(file.get(), &info) != 0) Fail(path, ": cannot be read: ", Reason(errno));
  if (S_ISDIR(info.st_mode)) Fail(path, ": is a folder where a file was expected");
  if (static_cast<uint64_t>(std::max<off_t>(info.st_size, 0)) > kLargestFile) FailTooLarge(path);
  // One byte more than expected, so that the end is found without growing.
  std::string bytes(static_cast<size_t>(info.st_size) + 1, '\0');
  size_t size = 0;
  while (true) {
    if (size == bytes.size()) bytes.resize(bytes.size() + bytes.size() / 2 + 65536);
    const ssize_t count = ReadRetrying(file.get(), &bytes[size], bytes.size() - size);
    if (count < 0) Fail(path, ": cannot be read: ", Reason(errno));
    if (count == 0) break;
    size += static_cast<size_t>(count);
    if (size > kLargestFile) FailTooLarge(path);
  }
  bytes.resize(size);
  return bytes;
}

void ReadBinary(const std::string& bytes, const std::string& name_for_errors,
                const std::string& what, google::protobuf::Message* out) {
  if (bytes.empty()) Fail(name_for_errors, ": is empty where ", what, " was expected");
  if (bytes.size() > kLargestFile) FailTooLarge(name_for_errors);
  if (IsHdf5(bytes)) Fail(name_for_errors, ": is an HDF5 file, not ", what);
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  in.SetTotalBytesLimit(INT_MAX);
  out->Clear();
  const bool read = out->MergePartialFromCodedStream(&in) && in.ConsumedEntireMessage();
  if (!read) FailUnreadable(bytes, name_for_errors, what);
}

void ReadBinaryFile(const std::string& path, const std::string& what,
                    google::protobuf::Message* out) {
  ReadBinary(ReadFileBytes(path), path, what, out);
}

std::string SerializeToBytes(const google::protobuf::Message& message, const std::string& what) {
  const size_t size = message.ByteSizeLong();
  if (size > kLargestFile) {
    Fail(what, ": would be ", size, " bytes, and this format ends at 2 GiB; choose HDF5 ",
         "(snapshot_format: HDF5)");
  }
  std::string bytes;
  if (!message.SerializePartialToString(&bytes)) Fail(what, ": cannot be put into binary form");
  return bytes;
}

void WriteFileAtomically(const std::string& path, const std::string& bytes) {
  const std::string target = FollowLinks(path);
  CheckReplaceable(target);
  const std::string temporary = TemporaryName(target);
  const int fd = OpenRetrying(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0) {
    Fail(path, ": cannot be written: ", Reason(errno), " (in the folder ", FolderOf(target), ")");
  }
  int code = WriteNewFile(fd, bytes);
  if (code == 0 && rename(temporary.c_str(), target.c_str()) != 0) code = errno;
  if (code != 0) {
    unlink(temporary.c_str());
    Fail(path, ": cannot be written: ", Reason(code));
  }
  // The new name is safe only once the folder is. Folders that may be written but not read cannot
  // be opened for this.
  Descriptor folder(OpenRetrying(FolderOf(target).c_str(), O_RDONLY | O_DIRECTORY));
  if (folder.get() < 0) return;
  code = SyncToDisk(folder.get());
  if (code != 0) Fail(path, ": was written, but may not be on the disk yet: ", Reason(code));
}

}  // namespace crema
