// The late changes of a LevelDB: those that are in its logs and not yet in tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_file.h"
#include "data/leveldb_part.h"
#include "data/scratch_bytes.h"

namespace crema {

// All late changes, in order of their keys; of each key, the last change only. Reads all of the
// logs and keeps the keys, in at most ten times the bytes of the logs even where those hold nothing
// but tiny changes. The values stay in the files.
class LevelDbLateChanges {
 public:
  // Throws Error where a log is damaged or missing. `files` outlives it.
  LevelDbLateChanges(const std::string& folder, const std::vector<uint64_t>& logs,
                     const std::string& title, OpenFiles* files);

  struct Change {
    LevelDbKey key;
    size_t log;
    uint64_t place, value_size;  // of the value in the log
  };
  size_t size() const { return changes_.size(); }
  Change operator[](size_t number) const { return Unpacked(changes_[number]); }
  // Of those whose keys are before `key`.
  size_t CountBefore(const LevelDbKey& key) const;

  uint64_t bytes() const;  // of the logs
  size_t logs() const { return logs_.size(); }
  const DataFile& log(size_t number) const { return *logs_[number]; }
  // The sequence number of the latest change; none if the logs are empty.
  std::optional<uint64_t> last_sequence() const { return last_sequence_; }

 private:
  void ReadLog(const DataFile& file);
  void Add(const Change& change);
  Change Unpacked(const char* packed) const;
  void SortAndThin();

  std::vector<std::unique_ptr<DataFile>> logs_;
  std::deque<const char*> changes_;  // packed, in `memory_`
  std::vector<std::unique_ptr<char[]>> memory_;
  char* free_ = nullptr;  // in the last piece of it
  size_t free_bytes_ = 0;
  std::string packed_;  // used again and again
  std::optional<uint64_t> last_sequence_;
};

// A place among the late changes, which outlive it.
class LevelDbLatePart : public LevelDbPart {
 public:
  explicit LevelDbLatePart(const LevelDbLateChanges* late) : late_(*late) {}

  bool First() override { return GoTo(0); }
  bool Next() override { return GoTo(at_ + 1); }
  bool Seek(const LevelDbKey& key) override { return GoTo(late_.CountBefore(key)); }
  const LevelDbKey& key() const override { return change_.key; }
  std::string_view value() override;
  RecordPlace place() const override;

 private:
  bool GoTo(size_t at);

  const LevelDbLateChanges& late_;
  size_t at_ = 0;
  LevelDbLateChanges::Change change_ = {};
  const DataFile* log_ = nullptr;  // that `window_` shows
  std::optional<FileWindow> window_;
  ScratchBytes joined_;
};

}  // namespace crema
