// Databases of records: LMDB and LevelDB folders as Caffe's tools make them, read and written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crema {

enum class Backend { kLevelDb, kLmdb };

const char* ToString(Backend backend);  // "LevelDB", "LMDB"
// "lmdb" or "leveldb"; throws Error for anything else.
Backend ParseBackend(const std::string& name);

// Where the value of a record is in the files of a database. Only the source that notes it knows
// what the numbers mean.
struct RecordPlace {
  static constexpr uint32_t kUnknown = UINT32_MAX;

  uint64_t offset = 0;
  uint32_t file = kUnknown;
  uint32_t size = 0;  // of the value
  uint32_t block_size = 0, in_block = 0;

  bool is_known() const { return file != kUnknown; }
};

// A place in a database, which is ordered by key (bytes compared as unsigned numbers). Used by one
// thread at a time; several cursors of one source are independent. Throws Error where the database
// turns out to be damaged or to have been changed: what Find gives, and Next after it, is known to
// be right when Verify has returned; what First gives, and Next after it, at once.
class RecordCursor {
 public:
  virtual ~RecordCursor() = default;
  // These move, and return false where there is no such record; key() and value() then may not be
  // called.
  virtual bool First() = 0;
  virtual bool Next() = 0;
  virtual bool Find(std::string_view key) = 0;
  // Valid until the cursor moves.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  // The value, but without a copy on the way where that can be.
  virtual void CopyValue(std::string* to) const { to->assign(value()); }
  // Throws where another process has changed what was read since Find.
  virtual void Verify() {}

  // Where the value is, if the cursor came here by First and Next. It may be unknown.
  virtual RecordPlace place() const = 0;
  // Reads a value without a search. `place` is known, and is what place() of a cursor of this
  // source returned, where all that leads to the value was checked. The cursor stays where it is.
  // What is read is known to be right when IsAsListed has returned true.
  virtual void ReadAt(const RecordPlace& place, std::string* value) = 0;
  // Whether the files that ReadAt has used since the last call are as they were when the source was
  // opened. If not, what was read may be wrong, and Find must be used from then on: it checks all
  // again. Throws as Verify does.
  virtual bool IsAsListed() = 0;
};

// All keys of a database in order, and where their values are.
class KeyIndex {
  struct Entry {
    uint64_t begin;  // of the key in text_
    RecordPlace place;
  };

 public:
  static constexpr size_t kBytesBesideKey = sizeof(Entry);  // of memory, for each record

  void Add(std::string_view key, const RecordPlace& place);
  uint64_t size() const { return entries_.size(); }
  uint64_t bytes() const { return text_.size() + size() * kBytesBesideKey; }  // of memory
  std::string_view operator[](uint64_t record) const;
  const RecordPlace& place(uint64_t record) const { return entries_[record].place; }

 private:
  std::string text_;
  std::vector<Entry> entries_;
};

// A database that is open for reading. It has at least one record. Any thread may call it. Must
// outlive its cursors. The leveldb library does not open it meanwhile; nobody is kept from writing
// to an LMDB, but if a process does, reading ends with an Error.
class RecordSource {
 public:
  RecordSource(Backend backend, const std::string& path);
  virtual ~RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;

  const std::string& title() const { return title_; }  // "LMDB 'data/mnist_train_lmdb'"

  virtual std::unique_ptr<RecordCursor> NewCursor() = 0;

  // The number of records where it is known without reading the whole database.
  virtual std::optional<uint64_t> KnownCount() const { return std::nullopt; }

  // The size of its files.
  virtual uint64_t bytes() const = 0;

  // Finds record n by its key. The first call reads all keys; for LevelDB that means the whole
  // database.
  const KeyIndex& Keys();

 private:
  std::string title_;
  std::once_flag keys_once_;
  KeyIndex keys_;
};

// Opens a database, of which nothing is changed then or later. Sources of the same folder are one
// and the same within a process, so that the keys are in memory once. Throws Error where the folder
// is missing, is of another kind (and says of which), is empty, is damaged or, as far as can be
// seen, is being changed.
std::shared_ptr<RecordSource> OpenRecordSource(Backend backend, const std::string& path);

// Throws Error: "LMDB 'PATH' could not be WHAT: WHY".
[[noreturn]] void FailDatabase(const std::string& title, const std::string& what,
                               const std::string& why);

}  // namespace crema
