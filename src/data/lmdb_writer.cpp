// LMDB, written: by the lmdb library, in a folder that is ours alone.
#include <lmdb.h>

#include <algorithm>

#include "crema/error.h"
#include "data/backends.h"

namespace crema {
namespace {

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

constexpr size_t kFirstMapBytes = size_t{64} << 20;

class LmdbSink : public RecordSink {
 public:
  LmdbSink(const std::string& folder, const std::string& title) : title_(title), env_(NewEnv()) {
    Check(mdb_env_set_mapsize(env_.get(), kFirstMapBytes));
    // One sync at the end: a database that is not finished is thrown away. No lock file: nobody
    // else uses the folder, and on a full disk the first touch of the file in memory would end the
    // process.
    Check(mdb_env_open(env_.get(), folder.c_str(), MDB_NOSYNC | MDB_NOLOCK, 0664));
  }

  void Write(const KeyValues& records) override {
    int rc;
    while ((rc = TryWrite(records)) == MDB_MAP_FULL) {
      MDB_envinfo info;
      Check(mdb_env_info(env_.get(), &info));
      Check(mdb_env_set_mapsize(env_.get(), info.me_mapsize * 2));
    }
    Check(rc);
    for (const auto& record : records) last_key_ = std::max(last_key_, record.first);
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

std::unique_ptr<RecordSink> CreateLmdb(const std::string& folder, const std::string& title) {
  return std::make_unique<LmdbSink>(folder, title);
}

}  // namespace crema
