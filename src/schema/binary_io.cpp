#include "schema/binary_io.h"

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format_lite.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "base/files.h"
#include "crema/error.h"
#include "schema/extensions.h"
#include "schema/file_kind.h"
#include "schema/message_size.h"

namespace crema {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint64_t kLargestFile = INT_MAX;

[[noreturn]] void FailTooLarge(const std::string& path) {
  Fail(InFile(path), ": is larger than 2 GiB, the limit of this format; use HDF5");
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
  if (!kind.empty()) Fail(InFile(name), ": is ", kind, ", not ", what);
  if (IsText(bytes)) Fail(InFile(name), ": is a text file, not ", what);
  if (EndsWithinField(bytes)) {
    Fail(InFile(name), ": ends in the middle of its data, after ", bytes.size(),
         " bytes; it was copied or written incompletely, or is not ", what);
  }
  Fail(InFile(name), ": is damaged, or is not ", what);
}

// Returns the file that a path stands for: the end of a chain of symbolic links, or the path.
std::string FollowLinks(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return path;
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) {
    Fail(InFile(path), ": cannot be written: it is a broken symbolic link: ", ErrorText(errno));
  }
  std::string target = resolved;
  free(resolved);
  return target;
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

// A name is safe only once its folder is on the disk. Folders that may be written but not read
// cannot be opened for this. Returns 0, or the error code.
int SyncFolderOf(const std::string& path) {
  const Descriptor folder(OpenRetrying(FolderOf(path).c_str(), O_RDONLY | O_DIRECTORY));
  return folder.get() < 0 ? 0 : SyncToDisk(folder.get());
}

void CheckReplaceable(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return;
  if (S_ISDIR(info.st_mode)) Fail(InFile(path), ": cannot be written: it is a folder");
  if (!S_ISREG(info.st_mode)) Fail(InFile(path), ": cannot be written: it is not a regular file");
}

// A file that may be written but not replaced: its folder may not be changed, or something is
// mounted on it.
class CannotReplace : public Error {
 public:
  using Error::Error;
};

[[noreturn]] void FailToReplace(int code, const std::string& message) {
  for (const int cannot : {EACCES, EPERM, EROFS, EBUSY}) {
    if (code == cannot) throw CannotReplace(message);
  }
  throw Error(message);
}

constexpr char kTemporary[] = ".tmp.";

// Opens a new file beside `target`, which no link leads away. A run that was killed may have left
// one of the same name: in a container every run has the same process number.
int OpenTemporary(const std::string& target, std::string* temporary) {
  uint64_t count = 0;
  int fd;
  do {
    *temporary = Concat(target, kTemporary, getpid(), ".", count++);
    fd = OpenRetrying(temporary->c_str(), O_RDWR | O_CREAT | O_EXCL, 0666);
  } while (fd < 0 && errno == EEXIST);
  return fd;
}

// The same, and throws Error if that fails; `target` is where `path` leads.
int OpenTemporaryOf(const std::string& path, const std::string& target, std::string* temporary) {
  CheckReplaceable(target);
  const int fd = OpenTemporary(target, temporary);
  if (fd >= 0) return fd;
  const int code = errno;
  FailToReplace(code, Concat(path, ": cannot be written: ", ErrorText(code), " (in the folder ",
                             FolderOf(target), ")"));
}

// What helps where no file can be made in a folder.
std::string AdviceAgainst(int code, const std::string& folder) {
  switch (code) {
    case ENOENT: return "create the folder";
    case ENOTDIR: return "a part of its path is a file: remove that, or name another folder";
    case EROFS: return "its file system is read-only: mount it for writing, or name another folder";
    case EACCES:
    case EPERM:
      return "you may not write there: have `ls -ld " + folder +
             "` show who may, or name another folder";
    case ENOSPC:
    case EDQUOT: return "make room on that disk, or name a folder on another one";
    case ENAMETOOLONG: return "shorten the name";
    default: return "name another folder";
  }
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Whether `name` is one that OpenTemporary gives, for a target that `is_target` knows.
bool IsTemporary(const std::string& name,
                 const std::function<bool(const std::string&)>& is_target) {
  const size_t at = name.rfind(kTemporary);
  if (at == std::string::npos) return false;
  const std::string numbers = name.substr(at + sizeof kTemporary - 1);
  const size_t dot = numbers.find('.');
  const bool fits = dot != std::string::npos && IsNumber(numbers.substr(0, dot)) &&
                    IsNumber(numbers.substr(dot + 1));
  return fits && is_target(name.substr(0, at));
}

}  // namespace

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string ReadFileBytes(const std::string& path, Accept accept) {
  return ReadFileBytes(OpenForReading(path, accept), path);
}

std::string ReadFileBytes(const Descriptor& file, const std::string& path) {
  struct stat info;
  if (fstat(file.get(), &info) != 0) Fail(InFile(path), ": cannot be read: ", ErrorText(errno));
  if (static_cast<uint64_t>(std::max<off_t>(info.st_size, 0)) > kLargestFile) FailTooLarge(path);
  // One byte more than expected, so that the end is found without growing.
  std::string bytes(static_cast<size_t>(info.st_size) + 1, '\0');
  size_t size = 0;
  while (true) {
    if (size == bytes.size()) bytes.resize(bytes.size() + bytes.size() / 2 + 65536);
    const ssize_t count = ReadRetrying(file.get(), &bytes[size], bytes.size() - size);
    if (count < 0) Fail(InFile(path), ": cannot be read: ", ErrorText(errno));
    if (count == 0) break;
    size += static_cast<size_t>(count);
    if (size > kLargestFile) FailTooLarge(path);
  }
  if (size == 0 && S_ISFIFO(info.st_mode)) {
    Fail(InFile(path), ": is a pipe that nothing was written to; start what writes to it first");
  }
  bytes.resize(size);
  return bytes;
}

void ReadBinary(const std::string& bytes, const std::string& name_for_errors,
                const std::string& what, google::protobuf::Message* out) {
  if (bytes.empty()) Fail(InFile(name_for_errors), ": is empty, not ", what);
  if (bytes.size() > kLargestFile) FailTooLarge(name_for_errors);
  if (IsHdf5(bytes)) Fail(InFile(name_for_errors), ": is an HDF5 file, not ", what);
  const std::shared_lock<std::shared_mutex> lock(ExtensionsMutex());
  if (!IsInProportion(bytes, *out)) {
    Fail(InFile(name_for_errors), ": has so many empty parts that its ", bytes.size(),
         " bytes would take ", SizeInMemory(bytes, *out) >> 20,
         " MB of memory; it is damaged, or is not ", what);
  }
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

std::string SerializeToBytes(const google::protobuf::Message& message, const std::string& what,
                             size_t more) {
  const size_t size = message.ByteSizeLong() + more;
  if (size > kLargestFile) {
    Fail(what, ": would be ", size,
         " bytes, but this format is limited to 2 GiB; use snapshot_format: HDF5");
  }
  std::string bytes;
  bytes.reserve(size);
  if (!message.SerializePartialToString(&bytes)) Fail(what, ": cannot be serialized");
  return bytes;
}

void CheckWritable(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    Fail(InFile(path), ": cannot be written: it is ",
         S_ISDIR(info.st_mode) ? "a folder" : "not a regular file", "; move it away");
  }
  const std::string target = FollowLinks(path);
  std::string temporary;
  const Descriptor file(OpenTemporary(target, &temporary));
  int code = file.ok() ? 0 : errno;
  if (file.ok()) {
    code = WriteAll(file.get(), "x");  // a full disk shows here
    unlink(temporary.c_str());
  }
  if (code == 0) return;
  Fail(InFile(path), ": cannot be written: ", ErrorText(code), " (in the folder ", FolderOf(target),
       "); ", AdviceAgainst(code, FolderOf(target)));
}

// Without a lock, which whoever writes to the file (HDF5) may want for itself.
PendingFile::PendingFile(const std::string& path) : path_(path), target_(FollowLinks(path)) {
  fd_ = OpenTemporaryOf(path, target_, &temporary_);
}

PendingFile::PendingFile(const std::string& path, const std::string& bytes) : PendingFile(path) {
  flock(fd_, LOCK_SH | LOCK_NB);  // tells RemoveStaleTemporaries that somebody is at work
  int code = WriteAll(fd_, bytes);
  if (code == 0) code = SyncToDisk(fd_);
  is_on_disk_ = code == 0;
  if (is_on_disk_) return;
  Discard();
  Fail(InFile(path), ": cannot be written: ", ErrorText(code));
}

PendingFile::~PendingFile() { Discard(); }

void PendingFile::Discard() {
  if (fd_ < 0) return;
  close(fd_);
  fd_ = -1;
  unlink(temporary_.c_str());
}

void PendingFile::Commit() {
  int code = is_on_disk_ ? 0 : SyncToDisk(fd_);
  if (code == 0 && rename(temporary_.c_str(), target_.c_str()) != 0) code = errno;
  if (code != 0) {
    Discard();
    FailToReplace(code, Concat(path_, ": cannot be written: ", ErrorText(code)));
  }
  close(fd_);  // what could fail has failed in fsync
  fd_ = -1;
  code = SyncFolderOf(target_);
  if (code != 0)
    Fail(InFile(path_), ": was written, but flushing it to disk failed: ", ErrorText(code));
}

void WriteFileAtomically(const std::string& path, const std::string& bytes) {
  PendingFile(path, bytes).Commit();
}

namespace {

// Returns false if the file cannot be opened for writing.
bool WriteInPlace(const std::string& path, const std::string& bytes) {
  const Descriptor file(OpenRetrying(path.c_str(), O_WRONLY | O_TRUNC));
  if (!file.ok()) return false;
  int code = WriteAll(file.get(), bytes);
  if (code == 0) code = SyncToDisk(file.get());
  if (code != 0) Fail(InFile(path), ": cannot be written: ", ErrorText(code));
  return true;
}

// What is open already, or a pipe with a reader; that is worth waiting for. Not ok() if it is none.
Descriptor StreamAt(const std::string& path) {
  Descriptor stream = DescriptorNamed(path);
  if (stream.ok() || !IsStream(path)) return stream;
  stream = OpenStreamForWriting(path);
  fcntl(stream.get(), F_SETFL, 0);
  return stream;
}

}  // namespace

void WriteFileOrStream(const std::string& path, const std::string& bytes) {
  const Descriptor stream = StreamAt(path);
  if (stream.ok()) {
    const int code = WriteAll(stream.get(), bytes);
    if (code != 0) Fail(InFile(path), ": cannot be written: ", ErrorText(code));
    return;
  }
  try {
    WriteFileAtomically(path, bytes);
  } catch (const CannotReplace&) {
    if (!WriteInPlace(path, bytes)) throw;
  }
}

void CheckWritableOrStream(const std::string& path) {
  if (DescriptorNamed(path).ok() || IsStream(path)) return;
  try {
    CheckWritable(path);
  } catch (const Error&) {
    const Descriptor in_place(OpenRetrying(path.c_str(), O_WRONLY));
    if (!in_place.ok()) throw;
  }
}

void RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return;
    Fail(InFile(path), ": cannot be removed: ", ErrorText(errno));
  }
  const int code = SyncFolderOf(path);
  if (code != 0)
    Fail(InFile(path), ": was removed, but flushing the folder failed: ", ErrorText(code));
}

std::vector<std::string> RemoveStaleTemporaries(
    const std::string& folder, const std::function<bool(const std::string&)>& is_target) {
  std::vector<std::string> removed;
  for (const std::string& name : FileNames(folder)) {
    if (!IsTemporary(name, is_target)) continue;
    const std::string path = folder + "/" + name;
    // Network file systems give locks to those only who may write.
    constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK;
    int fd = OpenRetrying(path.c_str(), O_RDWR | kFlags);
    if (fd < 0) fd = OpenRetrying(path.c_str(), O_RDONLY | kFlags);
    const Descriptor file(fd);
    struct stat info;
    const bool is_file = file.get() >= 0 && fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode);
    if (!is_file || flock(file.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (unlink(path.c_str()) == 0) removed.push_back(path);
  }
  return removed;
}

std::vector<std::string> FileNames(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  auto entry = std::filesystem::directory_iterator(folder, failed);
  while (!failed && entry != std::filesystem::directory_iterator()) {
    names.push_back(entry->path().filename().string());
    entry.increment(failed);
    if (failed) Fail(InFile(folder), ": its files cannot be listed: ", failed.message());
  }
  const bool is_none =
      failed == std::errc::no_such_file_or_directory || failed == std::errc::not_a_directory;
  if (failed && !is_none) Fail(InFile(folder), ": cannot be listed: ", failed.message());
  std::sort(names.begin(), names.end());
  return names;
}

FileSum SumOfFile(const std::string& path, uint64_t most) {
  const Descriptor file = OpenForReading(path);
  std::vector<char> block(1 << 20);
  FileSum sum;
  while (true) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(block.size(), most - sum.bytes));
    const ssize_t count = ReadRetrying(file.get(), block.data(), wanted);
    if (count < 0) Fail(InFile(path), ": cannot be read: ", ErrorText(errno));
    if (count == 0) return sum;
    sum.bytes += static_cast<uint64_t>(count);
    sum.checksum = ChecksumOf(block.data(), static_cast<size_t>(count), sum.checksum);
  }
}

std::string LastBytesOf(const std::string& path, size_t count) {
  const Descriptor file = OpenForReading(path);
  struct stat info;
  if (fstat(file.get(), &info) != 0) Fail(InFile(path), ": cannot be read: ", ErrorText(errno));
  const auto size = static_cast<uint64_t>(std::max<off_t>(info.st_size, 0));
  std::string bytes(static_cast<size_t>(std::min<uint64_t>(size, count)), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const auto at = static_cast<off_t>(size - bytes.size() + done);
    const ssize_t read = pread(file.get(), &bytes[done], bytes.size() - done, at);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) Fail(InFile(path), ": cannot be read: ", ErrorText(errno));
    if (read == 0) break;
    done += static_cast<size_t>(read);
  }
  bytes.resize(done);
  return bytes;
}

uint32_t ChecksumOf(const void* data, size_t bytes, uint32_t before) {
  if (bytes == 0) return before;  // crc32_z(before, nullptr, 0) begins anew
  return static_cast<uint32_t>(crc32_z(before, static_cast<const unsigned char*>(data), bytes));
}

}  // namespace crema
