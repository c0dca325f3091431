// A file of a data set, open for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/open_files.h"
#include "data/scratch_bytes.h"

namespace crema {

// Nothing here writes, and nothing is mapped into memory: a file that shrinks, or a disk that
// fails, then gives an Error, where a mapping would end the process by SIGBUS. Any thread may call
// it. All functions throw Error, which names the data set by `title`.
class DataFile {
 public:
  // The file must be a regular one, or a link to one: a pipe could wait for ever. With `files`,
  // which outlives it, it is closed when others need to be open, and opened again when it is read;
  // that another file has its name by then is an Error.
  DataFile(const std::string& path, const std::string& title, OpenFiles* files = nullptr);
  // Takes over the descriptor of an open file; `path` is for errors.
  DataFile(int number, const std::string& path, const std::string& title);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  const std::string& name() const { return name_; }    // without its folder
  const std::string& title() const { return title_; }  // "LMDB 'data/mnist_train_lmdb'"
  uint64_t size() const { return stamp_.size; }        // when it was opened

  // Reads `count` bytes, which must be there.
  void Read(uint64_t offset, size_t count, char* to) const { ReadUpTo(offset, count, count, to); }
  // Reads at least `least` bytes and at most `most`. Returns how many.
  size_t ReadUpTo(uint64_t offset, size_t least, size_t most, char* to) const;
  // The same for bytes that follow one another in the file and go to two places.
  void ReadInTwo(uint64_t offset, size_t first, char* to_first, size_t second,
                 char* to_second) const;
  // Throws where the file had fewer than `offset + count` bytes when it was opened. Call it before
  // memory is taken for that many.
  void CheckInside(uint64_t offset, uint64_t count) const;

  // Throws: "NAME is damaged: WHAT; copy it again or recreate it".
  [[noreturn]] void Damaged(const std::string& what) const;

  // What the system tells of a file. Where nobody has written to it between two stamps, they are
  // equal. They may be equal, too, after a change within a tick of the system's clock (some
  // milliseconds) of the first, or one by a mapping that has not reached the file yet.
  struct Stamp {
    uint64_t device, inode, size;
    int64_t modified, changed;  // nanoseconds; the second also when it gets another name or owner
    bool operator==(const Stamp& other) const;
  };
  const Stamp& stamp() const { return stamp_; }  // when it was opened
  Stamp StampNow() const;

 private:
  OpenFiles::Handle Open() const;
  Stamp Inspect(const Descriptor& file) const;
  int NumberOf(OpenFiles::Handle* held) const;
  [[noreturn]] void FailReplaced() const;

  const std::string path_, name_, title_;
  OpenFiles* const files_;  // null: held_ stays open
  OpenFiles::Handle held_;
  Stamp stamp_ = {};
};

// The size of a file that is not open; it must be a regular one, or a link to one. Throws Error as
// DataFile does.
uint64_t SizeOfDataFile(const std::string& path, const std::string& title);

// Reads a file by way of a buffer: ahead where reading goes forward, and just what is asked for
// where it jumps. Used by one thread. The file outlives it.
class FileWindow {
 public:
  explicit FileWindow(const DataFile* file) : file_(file) {}

  // The bytes at `offset`; they stay until the next call. Throws Error where they are not there.
  const char* Get(uint64_t offset, size_t count);

  // How often the file itself was read.
  uint64_t reads() const { return reads_; }

 private:
  bool Holds(uint64_t offset, size_t count) const {
    return offset >= begin_ && offset - begin_ <= filled_ && count <= filled_ - (offset - begin_);
  }

  const DataFile* file_;
  ScratchBytes buffer_;
  size_t filled_ = 0;
  uint64_t begin_ = 0;  // where in the file the buffer's bytes are from
  uint64_t reads_ = 0;
};

}  // namespace crema
