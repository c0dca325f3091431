// Reads and writes whole files: bytes, and protobuf messages in their binary form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/files.h"

namespace google::protobuf {
class Message;
}

namespace crema {

// All of these throw Error with one sentence that begins with the file's name and gives the
// system's reason, and may be called from any thread.

// Returns the content of a file; of a pipe too, unless `accept` says otherwise. Refuses folders,
// devices, pipes that nobody has written to, and more than 2 GiB.
std::string ReadFileBytes(const std::string& path, Accept accept = Accept::kFileOrPipe);

// The same for a file that is open for reading; `path` is for errors.
std::string ReadFileBytes(const Descriptor& file, const std::string& path);

// Reads a file of at most 2 GiB into `out`, whose old content is dropped. `what` says what the
// file should be, as in "a weights file". Tells truncated files, empty files, and files of another
// kind apart, and refuses those that would take memory out of all proportion to their size. After
// an Error `out` is in an unspecified state.
//
// Fields that `out` does not know are kept or dropped as protobuf does; a missing `required` field
// is accepted.
void ReadBinaryFile(const std::string& path, const std::string& what,
                    google::protobuf::Message* out);

// The same for bytes in memory.
void ReadBinary(const std::string& bytes, const std::string& name_for_errors,
                const std::string& what, google::protobuf::Message* out);

// Returns the binary form, with capacity for `more` bytes that the file will have besides. `what`
// begins the sentence that is thrown where they would exceed 2 GiB, the limit of the format; it
// should be the name of the file that is to be written.
std::string SerializeToBytes(const google::protobuf::Message& message, const std::string& what,
                             size_t more = 0);

// Makes `bytes` the content of the file, so that at any moment, whatever fails or is killed, the
// path holds either all of the old content or all of the new. When it returns, the new content is
// on the disk.
//
// Writes a temporary file beside the old one, named PATH.tmp.PID.N, and renames it. N is the first
// number that is free, so the name hardly varies in length. A symbolic link is followed. Refuses to
// replace what is not a regular file. Whatever fails, the temporary file is removed and what stood
// at the path is left as it was; only a failure to write the folder's entry to disk, the last step,
// is reported with the new content in place.
void WriteFileAtomically(const std::string& path, const std::string& bytes);

// The same; but what is open already (/dev/stdout, /dev/fd/N), and what is neither a file nor a
// folder, such as a pipe that is being read or a terminal, is written to. A file that may be
// written but not replaced, because its folder may not be changed or something is mounted on it, is
// written in place; it is then incomplete if that fails.
void WriteFileOrStream(const std::string& path, const std::string& bytes);

// The two halves of WriteFileAtomically, for files that have to appear together: the constructor
// brings the bytes to the disk under the temporary name, and Commit, which hardly can fail any
// more, gives them their own. Without Commit the temporary file is removed again.
class PendingFile {
 public:
  // Throws Error if the bytes cannot be brought to the disk; no temporary file is left then.
  PendingFile(const std::string& path, const std::string& bytes);
  // Makes an empty file, for somebody who then writes to it by its temporary name, and has done so
  // before Commit, which brings it to the disk.
  explicit PendingFile(const std::string& path);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  // At most once. If it throws Error, what stood at the path is as it was, unless only the folder's
  // entry could not be brought to the disk.
  void Commit();

  // The file that Commit replaces: the path, or where its links lead.
  const std::string& target() const { return target_; }
  // Where the bytes are until then.
  const std::string& temporary() const { return temporary_; }

 private:
  void Discard();

  std::string path_, target_, temporary_;
  int fd_ = -1;  // kept open for its lock
  bool is_on_disk_ = false;
};

// Throws Error if no new file of that name could be written, and says what helps: makes its
// temporary file with a byte in it, and removes it.
void CheckWritable(const std::string& path);

// The same for WriteFileOrStream. A stream is not opened, because that could have to wait.
void CheckWritableOrStream(const std::string& path);

// Removes a file, for good when it returns. That it is not there is no error.
void RemoveFile(const std::string& path);

// Removes the temporary files that killed processes have left in a folder, for the targets (names
// without the folder) that `is_target` knows; files that a living process is writing stay, and so
// does all that is not named exactly as PendingFile names it. Returns the paths removed.
std::vector<std::string> RemoveStaleTemporaries(
    const std::string& folder, const std::function<bool(const std::string&)>& is_target);

// The names in a folder, sorted; none if there is no such folder. Throws Error if it cannot be
// listed.
std::vector<std::string> FileNames(const std::string& folder);

// "a/b" of "a/b/c", "." of "c".
std::string FolderOf(const std::string& path);

// Size and CRC-32 of a file of any size, or of its first `most` bytes.
struct FileSum {
  uint64_t bytes = 0;
  uint32_t checksum = 0;
};
FileSum SumOfFile(const std::string& path, uint64_t most = UINT64_MAX);

// The last `count` bytes of a file; fewer if it has no more.
std::string LastBytesOf(const std::string& path, size_t count);

// CRC-32 of some bytes, going on from that of what stands before them.
uint32_t ChecksumOf(const void* data, size_t bytes, uint32_t before = 0);

}  // namespace crema
