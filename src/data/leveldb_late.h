// The late changes of a LevelDB: those that are in its logs and not yet in tables.
#pragma once

#include <cstdint>
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
// logs and keeps the keys. The values stay in the files.
class LevelDbLateChanges {
 public:
  // Throws Error where a log is damaged or missing.
  LevelDbLateChanges(const std::string& folder, const std::vector<uint64_t>& logs,
                     const std::string& title);

  struct Change {
    std::string key;
    uint64_t sequence, kind;  // as in LevelDbKey
    const DataFile* log;
    uint64_t place, value_size;  // of the value in the log
  };
  const std::vector<Change>& changes() const { return changes_; }
  uint64_t bytes() const;  // of the logs

 private:
  void ReadLog(const DataFile& file);
  void SortAndThin();

  std::vector<std::unique_ptr<DataFile>> logs_;
  std::vector<Change> changes_;
};

// A place among the late changes, which outlive it.
class LevelDbLatePart : public LevelDbPart {
 public:
  explicit LevelDbLatePart(const LevelDbLateChanges* late) : changes_(late->changes()) {}

  bool First() override { return GoTo(0); }
  bool Next() override { return GoTo(at_ + 1); }
  bool Seek(const LevelDbKey& key) override;
  const LevelDbKey& key() const override { return key_; }
  std::string_view value() override;

 private:
  bool GoTo(size_t at);

  const std::vector<LevelDbLateChanges::Change>& changes_;
  size_t at_ = 0;
  LevelDbKey key_;
  const DataFile* log_ = nullptr;  // that `window_` shows
  std::optional<FileWindow> window_;
  ScratchBytes joined_;
};

}  // namespace crema
