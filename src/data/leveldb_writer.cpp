// LevelDB, written: by the leveldb library, in a folder that is ours alone.
#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include <new>

#include "crema/error.h"
#include "data/backends.h"

namespace crema {
namespace {

class LevelDbSink : public RecordSink {
 public:
  LevelDbSink(const std::string& folder, const std::string& title) : title_(title) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.error_if_exists = true;
    options.block_size = 64 << 10;
    options.write_buffer_size = 64 << 20;
    leveldb::DB* db = nullptr;
    Check(leveldb::DB::Open(options, folder, &db));
    db_.reset(db);
  }

  void Write(const KeyValues& records) override { WriteBatch(records, false); }

  void Close() override {
    WriteBatch({}, true);
    db_.reset();
  }

 private:
  void Check(const leveldb::Status& status) const {
    if (!status.ok()) FailDatabase(title_, "written", status.ToString());
  }

  // An exception that passes through the library may leave its locks held, and then its destructor
  // would wait for ever. So that is left out.
  void WriteBatch(const KeyValues& records, bool sync) {
    leveldb::WriteBatch batch;
    for (const auto& [key, value] : records) batch.Put(key, value);
    leveldb::WriteOptions options;
    options.sync = sync;
    leveldb::Status status;
    try {
      status = db_->Write(options, &batch);
    } catch (const std::bad_alloc&) {
      (void)db_.release();
      FailDatabase(title_, "written", "it needs more memory than is available");
    }
    Check(status);
  }

  std::string title_;
  std::unique_ptr<leveldb::DB> db_;
};

}  // namespace

std::unique_ptr<RecordSink> CreateLevelDb(const std::string& folder, const std::string& title) {
  return std::make_unique<LevelDbSink>(folder, title);
}

}  // namespace crema
