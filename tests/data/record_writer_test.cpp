#include "data/record_writer.h"

#include <sys/resource.h>

#include <csignal>

#include "data/databases.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

namespace fs = std::filesystem;

using RecordWriterTest = BothBackends;
CREMA_ON_BOTH_BACKENDS(RecordWriterTest);

TEST_P(RecordWriterTest, GrowsBeyondTheFirstMap) {
  const std::string value(size_t{1} << 20, 'v');
  RecordWriter writer(backend(), temp_ / "db");
  for (int i = 0; i < 80; ++i) writer.Put(TestKey(i), value + TestKey(i));
  writer.Finish();
  const auto records = ReadDatabase(backend(), temp_ / "db");
  ASSERT_EQ(records.size(), 80u);
  for (int i = 0; i < 80; ++i) ASSERT_EQ(records[i].second, value + TestKey(i));
}

TEST_P(RecordWriterTest, TheNameAppearsInFinish) {
  const std::string path = temp_ / "db";
  {
    RecordWriter writer(backend(), path + "/");
    for (int i = 0; i < 2500; ++i) writer.Put(TestKey(i), "v");
    EXPECT_FALSE(fs::exists(path));
    writer.Finish();
    EXPECT_EQ(writer.count(), 2500u);
  }
  EXPECT_EQ(ReadDatabase(backend(), path).size(), 2500u);
  EXPECT_FALSE(fs::exists(path + ".partial"));
}

TEST_P(RecordWriterTest, LeavesNothingWithoutFinish) {
  {
    RecordWriter writer(backend(), temp_ / "db");
    for (int i = 0; i < 1500; ++i) writer.Put(TestKey(i), "v");
  }
  EXPECT_TRUE(fs::is_empty(temp_.path()));
}

TEST_P(RecordWriterTest, RefusesToOverwrite) {
  WriteTestDatabase(backend(), temp_ / "db", 3);
  ExpectError([&] { RecordWriter(backend(), temp_ / "db"); },
              {"db", "already exists", "remove it"});
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "db").size(), 3u);
}

TEST_P(RecordWriterTest, RefusesWhereNothingCanBeMade) {
  ExpectError([&] { RecordWriter(backend(), temp_ / "none/db"); }, {"none/db", "No such file"});
  ExpectError([&] { RecordWriter(backend(), ""); }, {"the name", "is empty"});
  ExpectError(
      [&] {
        RecordWriter writer(backend(), temp_ / "db");
        writer.Finish();
      },
      {"no records"});
}

TEST_P(RecordWriterTest, TakesOverWhatAKilledProcessLeft) {
  WriteTestDatabase(backend(), temp_ / "old", 9);
  WriteAll(temp_ / "old/CREMA_UNFINISHED", "");
  WriteAll(temp_ / "old/classes.txt.tmp.17.0", "half a na");
  fs::rename(temp_ / "old", temp_ / "db.partial");
  WriteTestDatabase(backend(), temp_ / "db", 3);
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "db").size(), 3u);
  EXPECT_FALSE(fs::exists(temp_ / "db.partial"));
}

// A process that was killed at once has left an empty folder.
TEST_P(RecordWriterTest, TakesOverAnEmptyFolder) {
  fs::create_directory(temp_ / "db.partial");
  WriteTestDatabase(backend(), temp_ / "db", 3);
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "db").size(), 3u);
  EXPECT_FALSE(fs::exists(temp_ / "db/CREMA_UNFINISHED"));
}

// The user may own a folder that happens to have the name.
TEST_P(RecordWriterTest, LeavesAFolderAloneThatIsNotItsOwn) {
  const auto refused = [&](const std::vector<std::string>& parts) {
    ExpectError([&] { RecordWriter(backend(), temp_ / "db"); }, parts);
  };
  WriteAll(temp_ / "db.partial/data.mdb", "mine");
  refused({"db.partial", "was not made by `crema convert`", "move or remove it"});
  WriteAll(temp_ / "db.partial/CREMA_UNFINISHED", "");
  WriteAll(temp_ / "db.partial/my notes.log", "mine, too");
  refused({"db.partial", "contains 'my notes.log'"});
  fs::remove(temp_ / "db.partial/my notes.log");
  WriteAll(temp_ / "db.partial/LOG/inner", "mine, too");
  refused({"contains 'LOG'"});
  EXPECT_EQ(ReadAll(temp_ / "db.partial/LOG/inner"), "mine, too");
  EXPECT_EQ(ReadAll(temp_ / "db.partial/data.mdb"), "mine");
  EXPECT_FALSE(fs::exists(temp_ / "db"));
}

TEST_P(RecordWriterTest, FollowsNoLink) {
  WriteAll(temp_ / "mine/data.mdb", "mine");
  WriteAll(temp_ / "mine/CREMA_UNFINISHED", "");
  fs::create_directory_symlink(temp_ / "mine", temp_ / "db.partial");
  const auto refused = [&] { RecordWriter(backend(), temp_ / "db"); };
  ExpectError(refused, {"db.partial", "taken by something else"});
  fs::remove(temp_ / "db.partial");
  WriteAll(temp_ / "db.partial", "a file");
  ExpectError(refused, {"db.partial", "taken by something else"});
  fs::remove(temp_ / "db.partial");
  // A link inside a folder of our own.
  WriteAll(temp_ / "db.partial/CREMA_UNFINISHED", "");
  fs::create_symlink(temp_ / "mine/data.mdb", temp_ / "db.partial/data.mdb");
  ExpectError(refused, {"contains 'data.mdb'"});
  EXPECT_EQ(ReadAll(temp_ / "mine/data.mdb"), "mine");
}

// What somebody else puts into the folder while it is being filled stays.
TEST_P(RecordWriterTest, RemovesOnlyItsOwnFilesWithoutFinish) {
  {
    RecordWriter writer(backend(), temp_ / "db");
    for (int i = 0; i < 1500; ++i) writer.Put(TestKey(i), "v");
    WriteAll(temp_ / "db.partial/notes", "mine");
  }
  EXPECT_EQ(ReadAll(temp_ / "db.partial/notes"), "mine");
  fs::remove(temp_ / "db.partial/notes");
  EXPECT_TRUE(fs::is_empty(temp_ / "db.partial"));
}

// A lock file is not needed, and on a full disk it could not be used.
TEST(LmdbWriterTest, MakesNoLockFile) {
  const TempFolder temp;
  WriteTestDatabase(Backend::kLmdb, temp / "db", 3);
  EXPECT_TRUE(fs::exists(temp / "db/data.mdb"));
  EXPECT_FALSE(fs::exists(temp / "db/lock.mdb"));
}

TEST_P(RecordWriterTest, TwoWritersOfOneNameDoNotMix) {
  RecordWriter writer(backend(), temp_ / "db");
  writer.Put("a", "b");
  ExpectError([&] { RecordWriter(backend(), temp_ / "db"); }, {"another process"});
  writer.Finish();
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "db").size(), 1u);
}

// Stands for a full disk: files may not grow beyond 2 MB.
class FileSizeLimit {
 public:
  FileSizeLimit() {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = 2 << 20;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_;
  void (*handler_)(int);
};

TEST_P(RecordWriterTest, AFullDiskIsAnErrorAndLeavesNothing) {
  const FileSizeLimit limit;
  const std::string value(100000, 'v');
  ExpectError(
      [&] {
        RecordWriter writer(backend(), temp_ / "db");
        for (int i = 0; i < 1000; ++i) writer.Put(TestKey(i), value);
        writer.Finish();
      },
      {"db", "could not be written"});
  EXPECT_TRUE(fs::is_empty(temp_.path()));
}

TEST(ParseBackendTest, KnowsTwoNames) {
  EXPECT_EQ(ParseBackend("lmdb"), Backend::kLmdb);
  EXPECT_EQ(ParseBackend("leveldb"), Backend::kLevelDb);
  ExpectError([] { ParseBackend("hdf5"); }, {"hdf5", "lmdb or leveldb"});
}

}  // namespace
}  // namespace crema::test
