#include "data/record_source.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "data/databases.h"
#include "data/datum.h"
#include "data/record_stream.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"
#include "util/paths.h"

namespace crema::test {
namespace {

namespace fs = std::filesystem;

using RecordSourceTest = BothBackends;
CREMA_ON_BOTH_BACKENDS(RecordSourceTest);

TEST_P(RecordSourceTest, GivesRecordsInKeyOrder) {
  const std::string path = temp_ / "db";
  {
    RecordWriter writer(backend(), path);
    for (const char* key : {"b", "a", "\xff", "ab", "B"}) writer.Put(key, std::string("v") + key);
    writer.Finish();
  }
  const auto records = ReadDatabase(backend(), path);
  const std::vector<std::string> expected = {"B", "a", "ab", "b", "\xff"};  // unsigned bytes
  ASSERT_EQ(records.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(records[i].first, expected[i]);
    EXPECT_EQ(records[i].second, "v" + expected[i]);
  }
}

TEST_P(RecordSourceTest, FindsByKeyAndIndex) {
  WriteTestDatabase(backend(), temp_ / "db", 25);
  const auto source = OpenRecordSource(backend(), temp_ / "db");
  const KeyIndex& keys = source->Keys();
  ASSERT_EQ(keys.size(), 25u);
  const auto cursor = source->NewCursor();
  for (int i : {24, 0, 7}) {
    EXPECT_EQ(keys[i], TestKey(i));
    ASSERT_TRUE(cursor->Find(keys[i]));
    proto::Datum datum;
    ASSERT_TRUE(datum.ParseFromString(std::string(cursor->value())));
    EXPECT_EQ(datum.label(), i);
  }
  EXPECT_FALSE(cursor->Find("00000003x"));
  ASSERT_TRUE(cursor->Find(TestKey(23)));
  EXPECT_TRUE(cursor->Next());
  EXPECT_FALSE(cursor->Next());
}

TEST_P(RecordSourceTest, OneFolderIsOpenOnceForAllReaders) {
  WriteTestDatabase(backend(), temp_ / "db", 10);
  fs::create_directory_symlink(temp_ / "db", temp_ / "link");
  auto first = OpenRecordSource(backend(), temp_ / "db");
  auto second = OpenRecordSource(backend(), temp_ / "link");
  EXPECT_EQ(first, second);
  auto cursor = second->NewCursor();
  first.reset();
  EXPECT_TRUE(cursor->First());
  cursor.reset();
  second.reset();
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "db").size(), 10u);  // opens it again
}

TEST_P(RecordSourceTest, ThreadsMayOpenAndCloseAtTheSameTime) {
  WriteTestDatabase(backend(), temp_ / "db", 3);
  std::vector<std::thread> threads;
  std::atomic<int> read{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) read += ReadDatabase(backend(), temp_ / "db").size();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read, 4 * 20 * 3);
}

TEST_P(RecordSourceTest, RefusesWhatIsNotADatabaseOfTheKind) {
  ExpectError([&] { OpenRecordSource(backend(), temp_ / "none"); },
              {"none", "there is no such folder"});
  EXPECT_FALSE(fs::exists(temp_ / "none"));
  ExpectError([&] { OpenRecordSource(backend(), ""); },
              {"the path of the ", " is empty; name a folder"});
  WriteAll(temp_ / "file", "x");
  ExpectError([&] { OpenRecordSource(backend(), temp_ / "file"); }, {"not a folder"});
  fs::create_directories(temp_ / "empty");
  ExpectError([&] { OpenRecordSource(backend(), temp_ / "empty"); }, {"contains no database"});
  // What cannot be told is not "missing".
  const std::string file = backend() == Backend::kLmdb ? "data.mdb" : "CURRENT";
  fs::create_directories(temp_ / "loop");
  fs::create_symlink(file, fs::path(temp_ / "loop") / file);
  ExpectError([&] { OpenRecordSource(backend(), temp_ / "loop"); }, {"loop", file + ": Too many"});

  const bool lmdb = backend() == Backend::kLmdb;
  WriteTestDatabase(backend(), temp_ / "db", 2);
  ExpectError([&] { OpenRecordSource(lmdb ? Backend::kLevelDb : Backend::kLmdb, temp_ / "db"); },
              {lmdb ? "is an LMDB" : "is a LevelDB", lmdb ? "backend: LMDB" : "backend: LEVELDB"});
}

TEST_P(RecordSourceTest, RefusesAnEmptyDatabase) {
  const std::string path = temp_ / "db";
  fs::create_directories(path);
  const auto sink = backend() == Backend::kLmdb ? CreateLmdb(path, "x") : CreateLevelDb(path, "x");
  sink->Write({});
  sink->Close();
  ExpectError([&] { OpenRecordSource(backend(), path); }, {path, "no records"});
}

TEST_P(RecordSourceTest, ReadsWhereNothingMayBeWritten) {
  const std::string path = temp_ / "db";
  WriteTestDatabase(backend(), path, 300);
  fs::permissions(path, static_cast<fs::perms>(0555));
  // In a process without root's rights.
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(3);
    if (access(path.c_str(), X_OK) != 0) _exit(3);
    try {
      _exit(ReadDatabase(backend(), path).size() == 300 ? 0 : 1);
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      _exit(2);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  fs::permissions(path, fs::perms::owner_all);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 3) GTEST_SKIP() << "the rights of another user cannot be taken";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Opening a pipe waits for somebody who writes to it.
TEST_P(RecordSourceTest, AFileThatIsNotARegularOneIsAnError) {
  const std::string path = temp_ / "db";
  WriteTestDatabase(backend(), path, 5);
  std::vector<std::string> names = {"data.mdb"};
  if (backend() == Backend::kLevelDb) names = {"CURRENT", "MANIFEST-000002", "000003.log"};
  for (const std::string& name : names) {
    const std::string file = path + "/" + name, kept = temp_ / "kept";
    fs::rename(file, kept);
    ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
    ExpectError([&] { OpenRecordSource(backend(), path); }, {path, name, "not a regular file"});
    fs::remove(file);
    fs::create_directory(file);
    ExpectError([&] { OpenRecordSource(backend(), path); }, {path, name, "not a regular file"});
    fs::remove(file);
    fs::create_symlink("/dev/zero", file);
    ExpectError([&] { OpenRecordSource(backend(), path); }, {path, name, "not a regular file"});
    fs::remove(file);
    fs::create_symlink(kept, file);
    EXPECT_EQ(ReadDatabase(backend(), path).size(), 5u);
    fs::remove(file);
    fs::rename(kept, file);
  }
}

// Where numbers are in a meta page.
constexpr size_t kPage = 4096;
constexpr size_t kLeafPagesAt = 104, kEntriesAt = 120, kLastPageAt = 136, kTransactionAt = 144;

// A database that the lmdb library changes.
class LmdbLibrary {
 public:
  explicit LmdbLibrary(const std::string& folder, unsigned flags = 0) {
    EXPECT_EQ(mdb_env_create(&env_), 0);
    EXPECT_EQ(mdb_env_open(env_, folder.c_str(), flags, 0664), 0);
  }
  ~LmdbLibrary() { mdb_env_close(env_); }
  LmdbLibrary(const LmdbLibrary&) = delete;
  LmdbLibrary& operator=(const LmdbLibrary&) = delete;

  // One transaction: values of so many bytes or, if 0, the keys themselves; given up again or not.
  void Put(const std::vector<std::string>& keys, size_t bytes = 0, bool gives_up = false) {
    MDB_txn* transaction = nullptr;
    MDB_dbi dbi = 0;
    EXPECT_EQ(mdb_txn_begin(env_, nullptr, 0, &transaction), 0);
    EXPECT_EQ(mdb_dbi_open(transaction, nullptr, 0, &dbi), 0);
    for (std::string name : keys) {
      std::string text = bytes == 0 ? name : std::string(bytes, 'x');
      MDB_val key = {name.size(), name.data()}, value = {text.size(), text.data()};
      EXPECT_EQ(mdb_put(transaction, dbi, &key, &value, 0), 0);
      EXPECT_EQ(gives_up ? mdb_del(transaction, dbi, &key, nullptr) : 0, 0);
    }
    EXPECT_EQ(mdb_txn_commit(transaction), 0);
  }

  size_t LastPage() const {
    MDB_envinfo info;
    EXPECT_EQ(mdb_env_info(env_, &info), 0);
    return info.me_last_pgno;
  }

 private:
  MDB_env* env_ = nullptr;
};

class LmdbTest : public testing::Test {
 protected:
  LmdbTest() {
    // Small records lie in the tree's pages, large ones in runs of pages of their own.
    WriteTestDatabase(Backend::kLmdb, temp_ / "small", 300, 1, 10, 10);
    WriteTestDatabase(Backend::kLmdb, temp_ / "large", 20, 3, 60, 60);
  }

  // A copy of the database with other bytes in its file.
  std::string With(const std::string& bytes) {
    const std::string path = temp_ / Concat("copy", copies_++);
    WriteAll(path + "/data.mdb", bytes);
    return path;
  }

  TempFolder temp_;
  int copies_ = 0;
};

TEST_F(LmdbTest, ATruncatedFileIsAnErrorAtEveryLength) {
  for (const char* name : {"small", "large"}) {
    const std::string whole = ReadAll((temp_ / name) + "/data.mdb");
    ASSERT_GT(whole.size(), 10 * kPage);
    const size_t size = whole.size();
    for (size_t length : {size_t{0}, size_t{1}, size_t{151}, size_t{152}, kPage - 1, kPage,
                          kPage + 151, kPage + 152, 2 * kPage - 1, 2 * kPage, 2 * kPage + 1,
                          3 * kPage, size / 2, size - kPage - 1, size - kPage, size - 1}) {
      SCOPED_TRACE(length);
      const std::string path = With(whole.substr(0, length));
      ExpectError([&] { ReadDatabase(Backend::kLmdb, path); }, {path, "truncated"});
    }
    EXPECT_GT(ReadDatabase(Backend::kLmdb, With(whole)).size(), 0u);
  }
}

// LMDB does not write pages that a transaction takes at the end of the file and gives up again.
TEST_F(LmdbTest, AFileMayBeShorterThanItsLastPage) {
  const std::string path = temp_ / "short";
  fs::create_directories(path);
  size_t last_page = 0;
  {
    LmdbLibrary library(path);
    for (int round = 0; round < 6; ++round) library.Put({Concat("key", round)}, 10);
    library.Put({"key6"}, 100000, true);
    last_page = library.LastPage();
  }
  ASSERT_LT(fs::file_size(path + "/data.mdb"), (last_page + 1) * kPage);
  const auto source = OpenRecordSource(Backend::kLmdb, path);
  const auto cursor = source->NewCursor();
  int records = 0;
  for (bool found = cursor->First(); found; found = cursor->Next()) ++records;
  EXPECT_EQ(records, 6);
}

TEST_F(LmdbTest, ADamagedHeaderIsAnError) {
  const std::string whole = ReadAll(temp_ / "small/data.mdb");
  const auto damaged = [&](size_t at, const std::string& bytes) {
    std::string copy = whole;
    copy.replace(at, bytes.size(), bytes);
    return With(copy);
  };
  const auto read = [](const std::string& path) { ReadDatabase(Backend::kLmdb, path); };
  const std::string nothing(4, '\0'), much(8, '\x7f');
  ExpectError([&] { read(damaged(20, much)); }, {"could not be opened"});  // version
  for (size_t at : {size_t{16}, size_t{40}}) {
    std::string copy = damaged(at, nothing) + "/data.mdb";
    std::string bytes = ReadAll(copy);
    bytes.replace(kPage + at, nothing.size(), nothing);
    WriteAll(copy, bytes);
    ExpectError([&] { read(fs::path(copy).parent_path().string()); }, {"is not an LMDB file"});
  }
  std::string copy = whole;  // pages that are not there, in the page that counts
  for (size_t page : {size_t{0}, kPage}) copy.replace(page + kLeafPagesAt, 8, much);
  ExpectError([&] { read(With(copy)); }, {"truncated", "expected"});
}

TEST_F(LmdbTest, OnlyTheLaterMetaPageCounts) {
  std::string copy = ReadAll(temp_ / "small/data.mdb");
  uint64_t first, second;
  std::memcpy(&first, &copy[kTransactionAt], 8);
  std::memcpy(&second, &copy[kPage + kTransactionAt], 8);
  ASSERT_NE(first, second);
  copy.replace((first < second ? 0 : kPage) + kLastPageAt, 8, std::string(8, '\x7f'));
  EXPECT_EQ(ReadDatabase(Backend::kLmdb, With(copy)).size(), 300u);
}

// Two transactions; the pages that they wrote, in a power failure, may hold anything.
class TornLmdbTest : public LmdbTest {
 protected:
  TornLmdbTest() {
    fs::create_directories(temp_ / "torn");
    {
      LmdbLibrary library(temp_ / "torn");
      library.Put({"a", "b", "c"});
      library.Put({"d", "e"});
    }
    bytes_ = ReadAll(temp_ / "torn/data.mdb");
    newest_ = Number(0) > Number(1) ? 0 : 1;
  }

  uint64_t Number(size_t page) const {
    uint64_t number;
    std::memcpy(&number, &bytes_[page * kPage + kTransactionAt], 8);
    return number;
  }
  // How many records there are with other bytes in a meta page, and how many warnings.
  void Expect(size_t records, size_t warnings, size_t page, size_t at, const std::string& other) {
    std::string bytes = bytes_;
    bytes.replace(page * kPage + at, other.size(), other);
    const LogCapture log;
    EXPECT_EQ(ReadDatabase(Backend::kLmdb, With(bytes)).size(), records);
    ASSERT_EQ(log.warnings().size(), warnings);
    if (warnings > 0) {
      EXPECT_NE(log.warnings()[0].find("data.mdb is damaged, so the other one counts"),
                std::string::npos);
    }
  }

  std::string bytes_;
  size_t newest_ = 0;
};

TEST_F(TornLmdbTest, TheOtherPageCounts) {
  ASSERT_EQ(bytes_.size() % kPage, 0u);
  const std::string zeros(kPage, '\0'), noise(kPage, '\x5a');
  for (const std::string& other : {zeros, noise, zeros.substr(0, 512), noise.substr(0, 64)}) {
    Expect(3, 1, newest_, 0, other);
    Expect(5, 1, 1 - newest_, 0, other);
  }
  std::string both = bytes_;
  for (size_t page : {size_t{0}, size_t{1}}) both.replace(page * kPage, kPage, noise);
  ExpectError([&] { ReadDatabase(Backend::kLmdb, With(both)); }, {"is not an LMDB file"});
}

// The number of the transaction stands last, so a page that was written in part has its old one.
TEST_F(TornLmdbTest, APageWithTheOldNumberDoesNotCount) {
  constexpr size_t kFirstWritten = 32;  // behind what never changes
  Expect(5, 0, 1 - newest_, kFirstWritten, std::string(8, '\x5a'));
  Expect(5, 0, 1 - newest_, kEntriesAt, std::string(kTransactionAt - kEntriesAt, '\x5a'));
}

// Transaction n writes page n modulo 2.
TEST_F(TornLmdbTest, APageWithTheNumberOfTheOtherDoesNotCount) {
  const uint64_t wrong = Number(newest_) + 1000;
  Expect(5, 1, 1 - newest_, kTransactionAt,
         std::string(reinterpret_cast<const char*>(&wrong), sizeof wrong));
}

// Whoever owns the folder may have put a link there, to a file of the reader's.
TEST_F(LmdbTest, DoesNotTouchTheLockFile) {
  WriteAll(temp_ / "mine", "precious");
  for (const char* name : {"small", "large"}) {
    fs::create_symlink(temp_ / "mine", (temp_ / name) + "/lock.mdb");
    EXPECT_GT(ReadDatabase(Backend::kLmdb, temp_ / name).size(), 0u);
    EXPECT_EQ(ReadAll(temp_ / "mine"), "precious");
    fs::remove((temp_ / name) + "/lock.mdb");
    EXPECT_GT(ReadDatabase(Backend::kLmdb, temp_ / name).size(), 0u);
    EXPECT_FALSE(fs::exists((temp_ / name) + "/lock.mdb"));
  }
}

TEST_F(LmdbTest, AFileThatShrinksWhileItIsReadIsAnError) {
  const std::string path = temp_ / "larger";  // than what is read at once
  WriteTestDatabase(Backend::kLmdb, path, 100, 3, 60, 60);
  const auto source = OpenRecordSource(Backend::kLmdb, path);
  const auto cursor = source->NewCursor();
  ASSERT_TRUE(cursor->First());
  fs::resize_file(path + "/data.mdb", 2 * kPage);
  ExpectError(
      [&] {
        while (cursor->Next()) (void)cursor->value();
      },
      {path, "data.mdb has shrunk", "do not change a database while it is in use"});
}

// The lmdb library uses the pages of a snapshot again that it does not know to be in use.
TEST_F(LmdbTest, AFileThatAnotherChangesWhileItIsReadIsAnError) {
  const std::string path = temp_ / "larger";  // than what is read at once
  WriteTestDatabase(Backend::kLmdb, path, 100, 3, 60, 60);
  const auto source = OpenRecordSource(Backend::kLmdb, path);
  const auto cursor = source->NewCursor();
  ASSERT_TRUE(cursor->First());
  LmdbLibrary(path).Put({"x"});
  ExpectError(
      [&] {
        while (cursor->Next()) (void)cursor->value();
      },
      {path, "another process has changed it"});
}

TEST_F(LmdbTest, AFileThatAnotherChangesWhileItIsShuffledIsAnError) {
  const std::string path = temp_ / "large";
  RecordStream stream(OpenRecordSource(Backend::kLmdb, path), true, 1);
  Record record;
  for (int i = 0; i < 10; ++i) stream.Next(&record);
  LmdbLibrary(path, MDB_NOLOCK).Put({"x"});
  ExpectError([&] { stream.Next(&record); }, {path, "another process has changed it"});
}

// The places of values, which were noted before, lead to what is no value now.
TEST_F(LmdbTest, PagesThatAreWrittenOverWhileTheyAreShuffledAreAnError) {
  for (const char* name : {"small", "large"}) {
    const std::string path = temp_ / name, file = path + "/data.mdb";
    RecordStream stream(OpenRecordSource(Backend::kLmdb, path), true, 1);
    std::vector<Record> records(5);
    stream.Next(records.data(), records.size());
    WriteInPlace(file, 2 * kPage, std::string(fs::file_size(file) - 2 * kPage, '\0'));
    ExpectError([&] { stream.Next(records.data(), records.size()); },
                {path, "data.mdb is damaged: page ", " is invalid"});
  }
}

TEST_F(LmdbTest, AFileThatShrinksWhileItIsShuffledIsAnError) {
  for (const char* name : {"small", "large"}) {
    const std::string path = temp_ / name;
    RecordStream stream(OpenRecordSource(Backend::kLmdb, path), true, 1);
    std::vector<Record> records(5);
    stream.Next(records.data(), records.size());
    fs::resize_file(path + "/data.mdb", 2 * kPage);
    ExpectError([&] { stream.Next(records.data(), records.size()); },
                {path, "data.mdb has shrunk", "do not change a database while it is in use"});
  }
}

// A small file whose pages share their children, so that it seems to hold records without end.
TEST_F(LmdbTest, AShuffleOfMoreRecordsThanThereIsRoomForIsAnError) {
  std::string bytes = ReadAll(temp_ / "small/data.mdb");
  const uint64_t many = uint64_t{30} << 30;
  for (size_t page : {size_t{0}, kPage}) std::memcpy(&bytes[page + kEntriesAt], &many, 8);
  const std::string path = With(bytes);
  ExpectError([&] { OpenRecordSource(Backend::kLmdb, path)->Keys(); }, {path, "have room for"});
}

// Written by Caffe.
TEST(CaffeLevelDbTest, IsRead) {
  const fs::path original =
      SharedFolder() / "data/zoo/weights/zhenglilei+yaleB_recognition/yaleb_train_leveldb";
  if (!fs::exists(original)) GTEST_SKIP() << original << " is not here; set CREMA_SHARED_DIR";
  const auto source = OpenRecordSource(Backend::kLevelDb, original.string());
  const auto cursor = source->NewCursor();
  DatumDecoder decoder(ColorMode::kAsStored, source->title());
  Record record;
  ImageSize size;
  for (bool more = cursor->First(); more; more = cursor->Next(), ++record.number) {
    record.key = cursor->key();
    record.value = cursor->value();
    const Image& image = decoder.Decode(record);
    if (record.number == 0) size = image.size;
    ASSERT_EQ(image.size.ToString(), size.ToString());
    ASSERT_GE(image.label, 0);
  }
  EXPECT_EQ(record.number, source->Keys().size());
  EXPECT_GT(record.number, 100u);
}

}  // namespace
}  // namespace crema::test
