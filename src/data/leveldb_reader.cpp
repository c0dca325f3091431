// LevelDB, read: a folder of sorted tables, a manifest that lists them, and a log of late changes.
//
// The leveldb library repairs what it opens: it turns the log into tables, drops what it cannot
// read, and removes what it does not need. A data set that is only read must stay as it is, so the
// files are read here, and each block, size and order is checked.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "crema/error.h"
#include "data/backends.h"
#include "data/leveldb_late.h"
#include "data/leveldb_level.h"
#include "data/leveldb_lock.h"
#include "data/leveldb_lookup.h"
#include "data/leveldb_table.h"
#include "data/leveldb_values.h"
#include "data/leveldb_version.h"
#include "data/open_files.h"

namespace crema {
namespace {

// A database as its files tell.
struct Database {
  Database(const std::string& folder, const std::string& database_title)
      : title(database_title),
        lock(folder, title),
        version(ReadLevelDbVersion(folder, title)),
        late(folder, version.logs, title, &files),
        tables(folder, title, &files) {
    CheckLastChange();
  }

  const std::string title;
  const LevelDbReadLock lock;
  OpenFiles files;
  const LevelDbVersion version;
  const LevelDbLateChanges late;
  LevelDbTables tables;
  LevelDbBlockCache blocks;

 private:
  // Changes are written to the log before the manifest counts them.
  void CheckLastChange() const {
    if (late.last_sequence().value_or(version.last_sequence) >= version.last_sequence) return;
    FailDatabase(
        title, "opened",
        Concat(LevelDbFileName(version.logs.back(), "log"), " ends with change ",
               *late.last_sequence(), ", but the manifest tells of ", version.last_sequence,
               ": it was not written or not copied to its end; copy it again or recreate "
               "it"));
  }
};

// The parts of a database, merged. Of each key only the latest change counts.
class LevelDbCursor : public RecordCursor {
 public:
  // The database outlives the cursor.
  explicit LevelDbCursor(Database* database)
      : title_(database->title),
        lookup_(&database->version, &database->late, &database->tables),
        values_(database->version, &database->late, &database->tables, &database->blocks) {
    size_t place = database->late.logs();
    const auto add = [&](const LevelDbTableFile* files, size_t count) {
      parts_.push_back(std::make_unique<LevelDbLevel>(&database->tables, files, count, place));
      place += count;
    };
    parts_.push_back(std::make_unique<LevelDbLatePart>(&database->late));
    for (const LevelDbTableFile& file : database->version.levels[0]) add(&file, 1);
    for (size_t level = 1; level < LevelDbVersion::kLevels; ++level) {
      const auto& files = database->version.levels[level];
      if (!files.empty()) add(files.data(), files.size());
    }
  }

  bool First() override {
    return Start([](LevelDbPart* part) { return part->First(); });
  }
  // The first step after Find looks up the places in all parts.
  bool Next() override {
    if (is_found_) {
      const LevelDbKey wanted = {found_key_, LevelDbKey::kMostSequence, LevelDbKey::kStored};
      Start([&](LevelDbPart* part) { return part->Seek(wanted); });
    }
    if (waiting_.empty()) return false;
    Advance();
    return Settle();
  }
  bool Find(std::string_view key) override {
    waiting_.clear();
    found_key_ = key;
    is_found_ = lookup_.Find(key);
    return is_found_;
  }
  std::string_view key() const override { return is_found_ ? found_key_ : top()->key().user; }
  std::string_view value() const override { return is_found_ ? lookup_.value() : top()->value(); }
  RecordPlace place() const override { return is_found_ ? RecordPlace() : top()->place(); }
  void ReadAt(const RecordPlace& place, std::string* value) override { values_.Read(place, value); }
  bool IsAsListed() override { return values_.AreAsListed(); }

 private:
  LevelDbPart* top() const { return waiting_.front(); }
  // For a heap that has the first key on top.
  static bool IsLater(const LevelDbPart* a, const LevelDbPart* b) {
    return Compare(a->key(), b->key()) > 0;
  }

  template <class Move>
  bool Start(const Move& move) {
    waiting_.clear();
    has_last_ = is_found_ = false;
    for (const auto& part : parts_) {
      if (move(part.get())) waiting_.push_back(part.get());
    }
    std::make_heap(waiting_.begin(), waiting_.end(), IsLater);
    return Settle();
  }

  // Over one change.
  void Advance() {
    const LevelDbKey& last = top()->key();
    last_user_ = last.user;
    last_ = {last_user_, last.sequence, last.kind};
    has_last_ = true;
    std::pop_heap(waiting_.begin(), waiting_.end(), IsLater);
    if (!waiting_.back()->Next()) {
      waiting_.pop_back();
      return;
    }
    // Each change is there once. Blocks that are listed twice would give their records twice.
    if (Compare(waiting_.back()->key(), last_) <= 0) FailOrder();
    std::push_heap(waiting_.begin(), waiting_.end(), IsLater);
  }

  // Over changes that do not count: older ones of the key that was last, and deleted keys.
  bool Settle() {
    while (!waiting_.empty()) {
      const LevelDbKey& next = top()->key();
      const bool is_old = has_last_ && next.user == last_.user;
      if (!is_old && next.kind == LevelDbKey::kStored) return true;
      Advance();
    }
    return false;
  }

  [[noreturn]] void FailOrder() const {
    FailDatabase(title_, "read",
                 "it is damaged: its keys are not in order; copy it again or recreate it");
  }

  const std::string& title_;
  std::vector<std::unique_ptr<LevelDbPart>> parts_;
  std::vector<LevelDbPart*> waiting_;  // a heap of the parts that have not ended
  std::string last_user_;
  LevelDbKey last_;  // the last change that was passed over; shows last_user_
  bool has_last_ = false;
  mutable LevelDbLookup lookup_;
  LevelDbValues values_;
  std::string found_key_;
  bool is_found_ = false;  // the record is the one that was found, rather than the top
};

class LevelDbSource : public RecordSource {
 public:
  explicit LevelDbSource(const std::string& path)
      : RecordSource(Backend::kLevelDb, path), database_(path, title()) {}

  std::unique_ptr<RecordCursor> NewCursor() override {
    return std::make_unique<LevelDbCursor>(&database_);
  }

  uint64_t bytes() const override { return database_.late.bytes() + database_.version.bytes(); }

 private:
  Database database_;
};

}  // namespace

std::unique_ptr<RecordSource> OpenLevelDb(const std::string& path) {
  return std::make_unique<LevelDbSource>(path);
}

}  // namespace crema
