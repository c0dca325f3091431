// LevelDB: a folder of sorted tables, a manifest that lists them, and a log of late writes.
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/iterator.h>
#include <leveldb/write_batch.h>

#include "crema/base/error.h"
#include "data/backends.h"

namespace crema {
namespace {

// What to do about an error, as far as its text tells.
std::string Advice(const leveldb::Status& status) {
  const std::string text = status.ToString();
  const auto says = [&](const char* part) { return text.find(part) != std::string::npos; };
  if (says("/LOCK") && (says("unavailable") || says("already held"))) {
    return "; another process is using it, and LevelDB allows only one at a time: stop that "
           "process, copy the folder, or convert to LMDB";
  }
  if (says("Permission denied") || says("Read-only")) {
    return "; LevelDB needs write access to its folder even for reading: copy the folder to a "
           "writable place, or convert to LMDB";
  }
  if (status.IsCorruption()) return "; copy it again or recreate it";
  return "";
}

void Check(const leveldb::Status& status, const std::string& title, const char* what) {
  if (!status.ok()) FailDatabase(title, what, status.ToString() + Advice(status));
}

class LevelDbCursor : public RecordCursor {
 public:
  // The title and `db` outlive the cursor.
  LevelDbCursor(leveldb::DB* db, const std::string& title) : title_(title) {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    options.fill_cache = false;
    iterator_.reset(db->NewIterator(options));
  }

  bool First() override {
    iterator_->SeekToFirst();
    return Valid();
  }
  bool Next() override {
    iterator_->Next();
    return Valid();
  }
  bool Find(std::string_view key) override {
    iterator_->Seek({key.data(), key.size()});
    return Valid() && this->key() == key;
  }
  std::string_view key() const override { return View(iterator_->key()); }
  std::string_view value() const override { return View(iterator_->value()); }

 private:
  static std::string_view View(const leveldb::Slice& slice) { return {slice.data(), slice.size()}; }
  // A damaged block ends an iteration as the last record does, but leaves a status.
  bool Valid() const {
    Check(iterator_->status(), title_, "read");
    return iterator_->Valid();
  }

  const std::string& title_;
  std::unique_ptr<leveldb::Iterator> iterator_;
};

class LevelDbSource : public RecordSource {
 public:
  explicit LevelDbSource(const std::string& path) : RecordSource(Backend::kLevelDb, path) {
    leveldb::Options options;
    options.create_if_missing = false;
    leveldb::DB* db = nullptr;
    Check(leveldb::DB::Open(options, path, &db), title(), "opened");
    db_.reset(db);
  }
  std::unique_ptr<RecordCursor> NewCursor() override {
    return std::make_unique<LevelDbCursor>(db_.get(), title());
  }

 private:
  std::unique_ptr<leveldb::DB> db_;
};

class LevelDbSink : public RecordSink {
 public:
  LevelDbSink(const std::string& folder, const std::string& title) : title_(title) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.error_if_exists = true;
    options.block_size = 64 << 10;
    options.write_buffer_size = 64 << 20;
    leveldb::DB* db = nullptr;
    Check(leveldb::DB::Open(options, folder, &db), title_, "written");
    db_.reset(db);
  }

  void Write(const KeyValues& records) override { WriteBatch(records, false); }

  void Close() override {
    WriteBatch({}, true);
    db_.reset();
  }

 private:
  void WriteBatch(const KeyValues& records, bool sync) {
    leveldb::WriteBatch batch;
    for (const auto& [key, value] : records) batch.Put(key, value);
    leveldb::WriteOptions options;
    options.sync = sync;
    Check(db_->Write(options, &batch), title_, "written");
  }

  std::string title_;
  std::unique_ptr<leveldb::DB> db_;
};

}  // namespace

std::unique_ptr<RecordSource> OpenLevelDb(const std::string& path) {
  return std::make_unique<LevelDbSource>(path);
}

std::unique_ptr<RecordSink> CreateLevelDb(const std::string& folder, const std::string& title) {
  return std::make_unique<LevelDbSink>(folder, title);
}

}  // namespace crema
