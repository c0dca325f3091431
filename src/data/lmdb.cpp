// LMDB: one file, data.mdb, that is mapped into memory. Its first two pages are "meta" pages, which
// are written in turn; the one with the higher transaction number counts.
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "crema/base/error.h"
#include "data/backends.h"

namespace crema {
namespace {

// What is needed of a meta page, as LMDB 0.9 lays it out on 64-bit machines.
struct Meta {
  uint32_t magic;
  uint32_t page_size;
  uint64_t last_page;
  uint64_t transaction;
};

constexpr size_t kMetaBytes = 152;
constexpr uint32_t kMagic = 0xBEEFC0DE;

template <class T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Returns false where the file ends before.
bool ReadMeta(int file, uint64_t offset, Meta* meta) {
  char bytes[kMetaBytes];
  if (pread(file, bytes, sizeof bytes, static_cast<off_t>(offset)) != kMetaBytes) return false;
  *meta = {Load<uint32_t>(bytes + 16), Load<uint32_t>(bytes + 40), Load<uint64_t>(bytes + 136),
           Load<uint64_t>(bytes + 144)};
  return true;
}

bool IsPageSize(uint32_t size) {
  return size >= 256 && size <= 65536 && (size & (size - 1)) == 0;
}

struct FileHandle {
  int number;
  ~FileHandle() {
    if (number >= 0) close(number);
  }
};

// Returns the size of data.mdb. Throws where it holds fewer pages than it says: LMDB would map
// them all the same, and die by SIGBUS on the first touch.
uint64_t CheckFile(const std::string& title, const std::string& path) {
  const FileHandle file{open((path + "/data.mdb").c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status;
  if (file.number < 0 || fstat(file.number, &status) != 0) {
    FailDatabase(title, "opened", std::strerror(errno));
  }
  const uint64_t size = static_cast<uint64_t>(status.st_size);
  Meta first, second;
  if (!ReadMeta(file.number, 0, &first)) {
    FailDatabase(title, "opened", Concat("data.mdb is truncated: it has only ", size,
                 " bytes; copy or make it anew"));
  }
  if (first.magic != kMagic || !IsPageSize(first.page_size)) {
    FailDatabase(title, "opened", "data.mdb does not begin as an LMDB file of a 64-bit machine "
                 "does; copy or make it anew");
  }
  if (!ReadMeta(file.number, first.page_size, &second)) {
    FailDatabase(title, "opened", Concat("data.mdb is truncated: it has only ", size,
                 " bytes; copy or make it anew"));
  }
  if (second.magic != kMagic || second.page_size != first.page_size) {
    FailDatabase(title, "opened", "data.mdb is damaged: its second page is not what it should be; "
                 "copy or make it anew");
  }
  const uint64_t last_page = (second.transaction > first.transaction ? second : first).last_page;
  if (size / first.page_size <= last_page) {
    FailDatabase(title, "opened", Concat("data.mdb is truncated: it has ", size / first.page_size,
                 " pages of ", first.page_size, " bytes and should have ", last_page + 1,
                 "; copy or make it anew"));
  }
  return size;
}

struct EnvCloser {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using EnvPtr = std::unique_ptr<MDB_env, EnvCloser>;

EnvPtr NewEnv() {
  MDB_env* env = nullptr;
  const int rc = mdb_env_create(&env);
  if (rc != 0) Fail("LMDB could not be started: ", mdb_strerror(rc));
  return EnvPtr(env);
}

class LmdbCursor : public RecordCursor {
 public:
  // The title and `env` outlive the cursor.
  LmdbCursor(MDB_env* env, const std::string& title, uint64_t file_size)
      : title_(title), file_size_(file_size) {
    MDB_dbi dbi = 0;
    Check(mdb_txn_begin(env, nullptr, MDB_RDONLY, &transaction_));
    int rc = mdb_dbi_open(transaction_, nullptr, 0, &dbi);
    if (rc == 0) rc = mdb_cursor_open(transaction_, dbi, &cursor_);
    if (rc != 0) mdb_txn_abort(transaction_);
    Check(rc);
  }
  ~LmdbCursor() override {
    mdb_cursor_close(cursor_);
    mdb_txn_abort(transaction_);
  }

  bool First() override { return Move(MDB_FIRST); }
  bool Next() override { return Move(MDB_NEXT); }
  bool Find(std::string_view key) override {
    key_ = {key.size(), const_cast<char*>(key.data())};
    return Move(MDB_SET_KEY);
  }
  std::string_view key() const override { return View(key_); }
  std::string_view value() const override { return View(value_); }

 private:
  static std::string_view View(const MDB_val& value) {
    return {static_cast<const char*>(value.mv_data), value.mv_size};
  }
  void Check(int rc) const {
    if (rc != 0) FailDatabase(title_, "read", mdb_strerror(rc));
  }
  bool Move(MDB_cursor_op operation) {
    const int rc = mdb_cursor_get(cursor_, &key_, &value_, operation);
    if (rc == MDB_NOTFOUND) return false;
    Check(rc);
    if (value_.mv_size > file_size_) {
      FailDatabase(title_, "read", "data.mdb is damaged: it has a record that is larger than the "
                   "file; copy or make it anew");
    }
    return true;
  }

  const std::string& title_;
  uint64_t file_size_;
  MDB_txn* transaction_ = nullptr;
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_ = {}, value_ = {};
};

class LmdbSource : public RecordSource {
 public:
  explicit LmdbSource(const std::string& path) : RecordSource(Backend::kLmdb, path) {
    file_size_ = CheckFile(title(), path);
    int rc = Open(path, MDB_RDONLY | MDB_NOTLS);
    // A folder where no lock file can be made; nobody writes to it either.
    if (rc == EACCES || rc == EPERM || rc == EROFS) {
      rc = Open(path, MDB_RDONLY | MDB_NOTLS | MDB_NOLOCK);
    }
    if (rc != 0) FailDatabase(title(), "opened", mdb_strerror(rc));
    MDB_stat stat;
    mdb_env_stat(env_.get(), &stat);
    count_ = stat.ms_entries;
  }

  std::unique_ptr<RecordCursor> NewCursor() override {
    return std::make_unique<LmdbCursor>(env_.get(), title(), file_size_);
  }
  std::optional<uint64_t> KnownCount() const override { return count_; }

 private:
  int Open(const std::string& path, unsigned flags) {
    env_ = NewEnv();
    // Only what there is: Caffe's files ask for a terabyte of addresses.
    mdb_env_set_mapsize(env_.get(), file_size_);
    return mdb_env_open(env_.get(), path.c_str(), flags, 0664);
  }

  EnvPtr env_;
  uint64_t file_size_ = 0, count_ = 0;
};

constexpr size_t kFirstMapBytes = size_t{64} << 20;

class LmdbSink : public RecordSink {
 public:
  LmdbSink(const std::string& folder, const std::string& title) : title_(title), env_(NewEnv()) {
    Check(mdb_env_set_mapsize(env_.get(), kFirstMapBytes));
    // One sync at the end: a database that is not finished is thrown away.
    Check(mdb_env_open(env_.get(), folder.c_str(), MDB_NOSYNC, 0664));
  }

  void Write(const KeyValues& records) override {
    int rc;
    while ((rc = TryWrite(records)) == MDB_MAP_FULL) {
      MDB_envinfo info;
      Check(mdb_env_info(env_.get(), &info));
      Check(mdb_env_set_mapsize(env_.get(), info.me_mapsize * 2));
    }
    Check(rc);
    if (!records.empty()) last_key_ = std::max(last_key_, records.back().first);
  }

  void Close() override {
    Check(mdb_env_sync(env_.get(), 1));
    env_.reset();
  }

 private:
  void Check(int rc) const {
    if (rc != 0) FailDatabase(title_, "written", mdb_strerror(rc));
  }

  // One transaction with all records, or nothing.
  int TryWrite(const KeyValues& records) const {
    MDB_txn* transaction = nullptr;
    MDB_dbi dbi = 0;
    int rc = mdb_txn_begin(env_.get(), nullptr, 0, &transaction);
    if (rc != 0) return rc;
    rc = mdb_dbi_open(transaction, nullptr, 0, &dbi);
    std::string last = last_key_;
    for (size_t i = 0; rc == 0 && i < records.size(); ++i) {
      const auto& [key, value] = records[i];
      MDB_val mdb_key = {key.size(), const_cast<char*>(key.data())};
      MDB_val mdb_value = {value.size(), const_cast<char*>(value.data())};
      // Keys that come in order fill the pages up.
      const bool append = key > last;
      if (append) last = key;
      rc = mdb_put(transaction, dbi, &mdb_key, &mdb_value, append ? MDB_APPEND : 0);
    }
    if (rc == 0) return mdb_txn_commit(transaction);
    mdb_txn_abort(transaction);
    return rc;
  }

  std::string title_;
  EnvPtr env_;
  std::string last_key_;
};

}  // namespace

std::unique_ptr<RecordSource> OpenLmdb(const std::string& path) {
  return std::make_unique<LmdbSource>(path);
}

std::unique_ptr<RecordSink> CreateLmdb(const std::string& folder, const std::string& title) {
  return std::make_unique<LmdbSink>(folder, title);
}

}  // namespace crema
