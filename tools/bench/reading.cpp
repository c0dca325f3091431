// How fast records come from LMDB and LevelDB, in order and shuffled, beside the libraries that
// these formats come from.
//
//   reading_bench FOLDER [MEGABYTES [ROUNDS]]
//
// Makes databases of MEGABYTES (200 by default) each in FOLDER, which must not be there, and
// removes it in the end. Prints a table of microseconds a record, medians of ROUNDS (5 by default)
// in which all take turns. Everybody copies each value into memory that is used again, as batches
// are. What comes before the first record is not counted: opening, crema's walk through all keys
// before it shuffles, and the shuffle of the libraries' keys. All files are in the system's cache.
#include <leveldb/db.h>
#include <lmdb.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "crema/error.h"
#include "data/record_source.h"
#include "data/record_stream.h"
#include "data/record_writer.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBatch = 64;        // records that are in memory at a time
constexpr size_t kMostRead = 20000;  // in one turn

// The data of a case.
struct Case {
  const char* name;
  Backend backend;
  size_t size;    // of a record
  bool is_noise;  // LevelDB stores noise as it is and packs other data
};

constexpr Case kCases[] = {
    {"LMDB", Backend::kLmdb, 800, true},
    {"LMDB", Backend::kLmdb, 3000, true},
    {"LMDB", Backend::kLmdb, 150000, true},
    {"LevelDB", Backend::kLevelDb, 800, true},
    {"LevelDB, packed", Backend::kLevelDb, 800, false},
    {"LevelDB", Backend::kLevelDb, 3000, true},
    {"LevelDB, packed", Backend::kLevelDb, 3000, false},
    {"LevelDB", Backend::kLevelDb, 150000, true},
};

std::string KeyOf(size_t number) {
  char key[16];
  std::snprintf(key, sizeof key, "%08zu", number);
  return key;
}

// Of data that is not noise, a quarter is.
void FillValue(const Case& which, std::mt19937_64* random, std::string* value) {
  value->resize(which.size);
  const size_t step = which.is_noise ? 8 : 32;
  for (size_t i = 0; i + 8 <= value->size(); i += step) {
    const uint64_t bits = (*random)();
    std::memcpy(&(*value)[i], &bits, sizeof bits);
  }
}

void Check(const leveldb::Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

void Check(int rc) {
  if (rc != 0) Fail(mdb_strerror(rc));
}

std::unique_ptr<leveldb::DB> OpenLevelDbByLibrary(const std::string& path) {
  leveldb::Options options;
  options.create_if_missing = true;
  options.block_size = 64 << 10;  // as in Caffe
  leveldb::DB* db = nullptr;
  Check(leveldb::DB::Open(options, path, &db));
  return std::unique_ptr<leveldb::DB>(db);
}

// All of a LevelDB is in tables: the library brings it there as soon as it opens one.
void MakeDatabase(const Case& which, size_t records, const std::string& path) {
  std::mt19937_64 random(1);
  std::string value;
  if (which.backend == Backend::kLmdb) {
    RecordWriter writer(Backend::kLmdb, path);
    for (size_t i = 0; i < records; ++i) {
      FillValue(which, &random, &value);
      writer.Put(KeyOf(i), value);
    }
    writer.Finish();
    return;
  }
  const std::unique_ptr<leveldb::DB> db = OpenLevelDbByLibrary(path);
  for (size_t i = 0; i < records; ++i) {
    FillValue(which, &random, &value);
    Check(db->Put({}, KeyOf(i), value));
  }
  db->CompactRange(nullptr, nullptr);
}

// Somebody who reads a database, record after record, for ever.
class Reader {
 public:
  virtual ~Reader() = default;
  // Reads that many more; returns the bytes of their values.
  virtual uint64_t Read(size_t count) = 0;
};

class CremaReader : public Reader {
 public:
  CremaReader(Backend backend, const std::string& path, bool shuffle)
      : stream_(OpenRecordSource(backend, path), shuffle, 1), records_(kBatch) {}

  uint64_t Read(size_t count) override {
    uint64_t bytes = 0;
    for (size_t left = count; left > 0;) {
      const size_t now = std::min(left, kBatch);
      stream_.Next(records_.data(), now);
      for (size_t i = 0; i < now; ++i) bytes += records_[i].value.size();
      left -= now;
    }
    return bytes;
  }

 private:
  RecordStream stream_;
  std::vector<Record> records_;
};

// Where the library's reader copies values, and the keys in its order if they are shuffled.
class LibraryReader : public Reader {
 public:
  LibraryReader(size_t records, bool shuffle) : batch_(kBatch) {
    if (!shuffle) return;
    for (size_t i = 0; i < records; ++i) keys_.push_back(KeyOf(i));
    std::mt19937 random(1);
    std::shuffle(keys_.begin(), keys_.end(), random);
  }

  uint64_t Read(size_t count) override {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      std::string* const value = &batch_[i % kBatch];
      if (keys_.empty()) {
        ReadNext(value);
      } else {
        ReadKey(keys_[at_], value);
        if (++at_ == keys_.size()) at_ = 0;
      }
      bytes += value->size();
    }
    return bytes;
  }

 protected:
  virtual void ReadNext(std::string* value) = 0;  // in order; begins again at the end
  virtual void ReadKey(const std::string& key, std::string* value) = 0;

 private:
  std::vector<std::string> batch_, keys_;
  size_t at_ = 0;
};

class LmdbReader : public LibraryReader {
 public:
  LmdbReader(const std::string& path, size_t records, bool shuffle)
      : LibraryReader(records, shuffle) {
    Check(mdb_env_create(&env_));
    Check(mdb_env_open(env_, path.c_str(), MDB_RDONLY | MDB_NOTLS | MDB_NOLOCK, 0664));
    Check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction_));
    Check(mdb_dbi_open(transaction_, nullptr, 0, &dbi_));
    Check(mdb_cursor_open(transaction_, dbi_, &cursor_));
  }
  ~LmdbReader() override {
    mdb_cursor_close(cursor_);
    mdb_txn_abort(transaction_);
    mdb_env_close(env_);
  }

 protected:
  void ReadNext(std::string* value) override {
    MDB_val key, found;
    int rc = mdb_cursor_get(cursor_, &key, &found, MDB_NEXT);
    if (rc == MDB_NOTFOUND) rc = mdb_cursor_get(cursor_, &key, &found, MDB_FIRST);
    Check(rc);
    value->assign(static_cast<const char*>(found.mv_data), found.mv_size);
  }
  void ReadKey(const std::string& name, std::string* value) override {
    MDB_val key = {name.size(), const_cast<char*>(name.data())}, found;
    Check(mdb_get(transaction_, dbi_, &key, &found));
    value->assign(static_cast<const char*>(found.mv_data), found.mv_size);
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_txn* transaction_ = nullptr;
  MDB_cursor* cursor_ = nullptr;
  MDB_dbi dbi_ = 0;
};

class LevelDbReader : public LibraryReader {
 public:
  // `checks`: the library compares checksums, as crema always does.
  LevelDbReader(leveldb::DB* db, size_t records, bool shuffle, bool checks)
      : LibraryReader(records, shuffle), db_(db) {
    options_.verify_checksums = checks;
    rows_.reset(db_->NewIterator(options_));
  }

 protected:
  void ReadNext(std::string* value) override {
    if (rows_->Valid()) rows_->Next();
    if (!rows_->Valid()) rows_->SeekToFirst();
    Check(rows_->status());
    const leveldb::Slice found = rows_->value();
    value->assign(found.data(), found.size());
  }
  void ReadKey(const std::string& key, std::string* value) override {
    Check(db_->Get(options_, key, value));
  }

 private:
  leveldb::DB* const db_;
  leveldb::ReadOptions options_;
  std::unique_ptr<leveldb::Iterator> rows_;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The median time of each reader for a record, in microseconds.
std::vector<double> Measure(const std::vector<std::unique_ptr<Reader>>& readers, size_t records,
                            size_t size, int rounds) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> times(readers.size());
  for (int round = -1; round < rounds; ++round) {  // the first is not counted
    for (size_t i = 0; i < readers.size(); ++i) {
      const Clock::time_point start = Clock::now();
      const uint64_t bytes = readers[i]->Read(records);
      const std::chrono::duration<double, std::micro> time = Clock::now() - start;
      if (bytes != records * size) Fail("read ", bytes, " bytes, expected ", records * size);
      if (round >= 0) times[i].push_back(time.count() / static_cast<double>(records));
    }
  }
  std::vector<double> medians;
  for (const auto& all : times) medians.push_back(Median(all));
  return medians;
}

void MeasureCase(const Case& which, const std::string& folder, size_t megabytes, int rounds) {
  const size_t records = std::max<size_t>(100, (megabytes << 20) / which.size);
  const std::string path = folder + "/db", other = folder + "/copy";
  MakeDatabase(which, records, path);
  std::unique_ptr<leveldb::DB> db;
  if (which.backend == Backend::kLevelDb) {
    fs::copy(path, other);  // who reads a LevelDB keeps the other from it
    db = OpenLevelDbByLibrary(other);
  }
  for (const bool shuffle : {false, true}) {
    std::vector<std::unique_ptr<Reader>> readers;
    readers.push_back(std::make_unique<CremaReader>(which.backend, path, shuffle));
    if (which.backend == Backend::kLmdb) {
      readers.push_back(std::make_unique<LmdbReader>(path, records, shuffle));
    } else {
      for (const bool checks : {false, true}) {
        readers.push_back(std::make_unique<LevelDbReader>(db.get(), records, shuffle, checks));
      }
    }
    const size_t count = std::min(records, kMostRead);
    const std::vector<double> times = Measure(readers, count, which.size, rounds);
    std::printf("| %s | %zu | %s | %.2f | %.2f | %.2f |", which.name, which.size,
                shuffle ? "shuffled" : "in order", times[0], times[1], times[1] / times[0]);
    if (times.size() > 2) {
      std::printf(" %.2f | %.2f |\n", times[2], times[2] / times[0]);
    } else {
      std::printf(" | |\n");
    }
    std::fflush(stdout);
  }
  db.reset();
  fs::remove_all(path);
  fs::remove_all(other);
}

int Run(int argc, char** argv) {
  const int megabytes = argc > 2 ? std::atoi(argv[2]) : 200;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  if (argc < 2 || argc > 4 || megabytes < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: reading_bench FOLDER [MEGABYTES [ROUNDS]]\n");
    return 2;
  }
  const std::string folder = argv[1];
  std::error_code error;
  if (!fs::create_directory(folder, error)) {
    std::fprintf(stderr, "%s could not be made: %s\n", folder.c_str(),
                 error ? error.message().c_str() : "it is there already");
    return 1;
  }
  std::printf(
      "| records of | bytes | order | crema us | library us | library / crema | "
      "library with checksums us | / crema |\n|---|---|---|---|---|---|---|---|\n");
  int status = 0;
  try {
    for (const Case& which : kCases) {
      MeasureCase(which, folder, static_cast<size_t>(megabytes), rounds);
    }
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    status = 1;
  }
  fs::remove_all(folder, error);
  return status;
}

}  // namespace
}  // namespace crema

int main(int argc, char** argv) { return crema::Run(argc, argv); }
