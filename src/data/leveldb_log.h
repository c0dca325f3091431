// LevelDB's log format, in which it writes the manifest and the latest changes.
//
// A log is a row of blocks. A record that does not fit in what is left of a block goes on in the
// next one, behind a header of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/data_file.h"
#include "data/scratch_bytes.h"

namespace crema {

// Reads the records of a log in order. The file outlives it. LevelDB itself passes over what is
// damaged or cut off; here both are Errors, so that no record is lost without a word.
class LevelDbLog {
 public:
  explicit LevelDbLog(const DataFile* file) : file_(file), window_(file) {}

  // Returns false at the end of the log.
  bool Next(std::string* record);
  // Where in the file byte `at` of the last record is, which has more bytes than that.
  uint64_t Place(uint64_t at) const;

 private:
  // A part of a record that lies in one block.
  struct Part {
    std::string_view bytes;
    bool begins, ends;  // the record
  };

  [[noreturn]] void FailCutOff() const;
  [[noreturn]] void FailInvalid() const;
  Part ReadPart();
  bool IsZeroToItsEnd();

  const DataFile* file_;
  FileWindow window_;
  uint64_t at_ = 0;     // where the next part's header is
  uint64_t begin_ = 0;  // where the last record begins, behind its header
};

// `size` bytes of a record, the first of which is at `place` in the file. They are in `window` or
// in `buffer` until the next call.
std::string_view ReadLevelDbLog(FileWindow* window, uint64_t place, uint64_t size,
                                ScratchBytes* buffer);
// The same, in one read and without reading ahead.
void ReadLevelDbLog(const DataFile& log, uint64_t place, uint64_t size, std::string* bytes);

}  // namespace crema
