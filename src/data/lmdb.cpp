// LMDB: one file, data.mdb. Its first two pages are "meta" pages, which are written in turn; the
// one with the higher transaction number counts.
#include <fcntl.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "crema/base/error.h"
#include "data/backends.h"
#include "data/lmdb_tree.h"

namespace crema {
namespace {

// Returns false where the file ends before.
bool ReadMeta(int file, uint64_t offset, LmdbMeta* meta) {
  char bytes[LmdbMeta::kBytes];
  if (pread(file, bytes, sizeof bytes, static_cast<off_t>(offset)) != LmdbMeta::kBytes) {
    return false;
  }
  *meta = LmdbMeta::Parse(bytes);
  return true;
}

bool IsPageSize(uint32_t size) { return size >= 256 && size <= 65536 && (size & (size - 1)) == 0; }

struct FileHandle {
  int number;
  ~FileHandle() {
    if (number >= 0) close(number);
  }
};

// The part of data.mdb that counts now.
struct Snapshot {
  uint64_t size;
  LmdbMeta metas[2];
  const LmdbMeta& latest() const { return metas[metas[1].transaction > metas[0].transaction]; }
};

[[noreturn]] void FailTruncated(const std::string& title, const std::string& found) {
  FailDatabase(title, "opened",
               "data.mdb is truncated: " + found + "; copy it again or recreate it");
}

// Throws where the file holds fewer pages than it says: the first touch of a missing page would
// end the process by SIGBUS.
Snapshot ReadSnapshot(const std::string& title, int file) {
  Snapshot shot;
  struct stat status;
  if (fstat(file, &status) != 0) FailDatabase(title, "opened", std::strerror(errno));
  shot.size = static_cast<uint64_t>(status.st_size);
  LmdbMeta& first = shot.metas[0];
  LmdbMeta& second = shot.metas[1];
  if (!ReadMeta(file, 0, &first)) FailTruncated(title, Concat("it has only ", shot.size, " bytes"));
  if (first.magic != LmdbMeta::kMagic || !IsPageSize(first.page_size)) {
    FailDatabase(
        title, "opened",
        "data.mdb is not an LMDB file from a 64-bit machine; copy it again or recreate it");
  }
  if (!ReadMeta(file, first.page_size, &second)) {
    FailTruncated(title, Concat("it has only ", shot.size, " bytes"));
  }
  if (second.magic != LmdbMeta::kMagic || second.page_size != first.page_size) {
    FailDatabase(title, "opened",
                 "data.mdb is damaged: its second page is invalid; copy it again or recreate it");
  }
  const uint64_t pages = shot.size / first.page_size, last_page = shot.latest().last_page;
  if (pages <= last_page) {
    FailTruncated(title, Concat("it has ", pages, " pages of ", first.page_size,
                                " bytes, expected ", last_page + 1));
  }
  return shot;
}

struct EnvCloser {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using EnvPtr = std::unique_ptr<MDB_env, EnvCloser>;

EnvPtr NewEnv() {
  MDB_env* env = nullptr;
  const int rc = mdb_env_create(&env);
  if (rc != 0) Fail("LMDB failed to start: ", mdb_strerror(rc));
  return EnvPtr(env);
}

// A file in memory.
class Mapping {
 public:
  Mapping() = default;
  ~Mapping() {
    if (memory_ != MAP_FAILED) munmap(memory_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Returns whether it worked; errno says why not.
  bool Map(int file, uint64_t size) {
    size_ = size;
    memory_ = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    return memory_ != MAP_FAILED;
  }
  const char* memory() const { return static_cast<const char*>(memory_); }

 private:
  void* memory_ = MAP_FAILED;
  uint64_t size_ = 0;
};

// The lmdb library only holds a read transaction, so that writers leave the pages of this snapshot
// alone; the pages are read by LmdbTreeCursor.
class LmdbSource : public RecordSource {
 public:
  explicit LmdbSource(const std::string& path) : RecordSource(Backend::kLmdb, path) {
    const FileHandle file{open((path + "/data.mdb").c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.number < 0) FailDatabase(title(), "opened", std::strerror(errno));
    HoldSnapshot(path, ReadSnapshot(title(), file.number).size);
    const Snapshot shot = ReadSnapshot(title(), file.number);
    const size_t held = mdb_txn_id(transaction_.get());
    const bool second = shot.metas[1].transaction == held;
    if (!second && shot.metas[0].transaction != held) {
      FailDatabase(title(), "opened",
                   "another process is writing to it; try again when that has finished");
    }
    tree_ = {nullptr, shot.metas[second], title()};
    if (!map_.Map(file.number, shot.size)) FailDatabase(title(), "opened", std::strerror(errno));
    tree_.memory = map_.memory();
  }

  std::unique_ptr<RecordCursor> NewCursor() override {
    return std::make_unique<LmdbTreeCursor>(&tree_);
  }
  std::optional<uint64_t> KnownCount() const override { return tree_.meta.entries; }

 private:
  struct TransactionCloser {
    void operator()(MDB_txn* transaction) const { mdb_txn_abort(transaction); }
  };

  void HoldSnapshot(const std::string& path, uint64_t file_size) {
    int rc = Open(path, file_size, MDB_RDONLY | MDB_NOTLS);
    // A folder where no lock file can be made; nobody writes to it either.
    if (rc == EACCES || rc == EPERM || rc == EROFS) {
      rc = Open(path, file_size, MDB_RDONLY | MDB_NOTLS | MDB_NOLOCK);
    }
    MDB_txn* transaction = nullptr;
    if (rc == 0) rc = mdb_txn_begin(env_.get(), nullptr, MDB_RDONLY, &transaction);
    if (rc != 0) FailDatabase(title(), "opened", mdb_strerror(rc));
    transaction_.reset(transaction);
  }

  int Open(const std::string& path, uint64_t file_size, unsigned flags) {
    env_ = NewEnv();
    // Only what there is: Caffe's files ask for a terabyte of addresses.
    mdb_env_set_mapsize(env_.get(), file_size);
    return mdb_env_open(env_.get(), path.c_str(), flags, 0664);
  }

  EnvPtr env_;
  std::unique_ptr<MDB_txn, TransactionCloser> transaction_;  // closed before env_
  Mapping map_;
  LmdbTree tree_ = {};
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
