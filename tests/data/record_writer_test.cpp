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
  fs::rename(temp_ / "old", temp_ / "db.partial");
  WriteTestDatabase(backend(), temp_ / "db", 3);
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "db").size(), 3u);
  EXPECT_FALSE(fs::exists(temp_ / "db.partial"));
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
