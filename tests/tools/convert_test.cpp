// crema convert as a user runs it.
#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <csignal>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/files.h"
#include "data/databases.h"
#include "tools/tool_test.h"

namespace crema {
namespace {

using testing::HasSubstr;

class ConvertToolTest : public ToolTest {
 protected:
  // Blue 10, green 20, red 30.
  void WriteImage(const std::string& name, int side = 4) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    cv::imwrite((folder_ / name).string(), cv::Mat(side, side, CV_8UC3, cv::Scalar(10, 20, 30)));
  }
  std::vector<proto::Datum> Records(const std::string& name) const {
    return test::ReadDatums(Backend::kLmdb, (folder_ / name).string());
  }
};

TEST_F(ConvertToolTest, StopsAtABadImageOrLeavesItOut) {
  WriteImage("in/a.png");
  Write("list", "a.png 1\nnone.png 2\n");
  ExpectError({"convert", "imageset", "in", "list", "db"}, {"list:2: ", "none.png", "--skip_bad"});
  EXPECT_FALSE(Has("db"));
  const ToolResult result = Run({"convert", "imageset", "--skip-bad", "in", "list", "db"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("Skipped 1 of 2 images"));
  EXPECT_THAT(result.err, HasSubstr("list:2: "));
  EXPECT_EQ(Records("db").size(), 1u);
}

// What fits a source of files of numbers only, and the other way round.
TEST_F(ConvertToolTest, OptionsOfOtherSourcesAreRefused) {
  ExpectUsageError({"convert", "cifar10", "--skip_bad", "in", "out"},
                   {"crema convert cifar10 has no option --skip_bad", "imageset and folder"});
  ExpectUsageError({"convert", "mnist", "--rgb", "a", "b", "out"}, {"no option --rgb"});
}

// What a library says of a file, without its name, is not told beside our own sentence.
TEST_F(ConvertToolTest, ADamagedPngIsToldOnce) {
  WriteImage("in/a.png", 32);
  Write("list", "a.png 1\n");
  std::string png = Read("in/a.png");
  png[png.find("IDAT") + 6] ^= 0x55;
  Write("in/a.png", png);
  ExpectError({"convert", "imageset", "in", "list", "db"},
              {"list:1: 'in/a.png' cannot be decoded"});
  // What is wrong with this one is a matter of nobody's: it is read.
  WriteImage("in/a.png", 32);
  png = Read("in/a.png");
  const std::string chunk = std::string("\0\0\0\1tIME\0", 9) + "abcd";  // with a wrong checksum
  Write("in/a.png", png.insert(png.find("IDAT") - 4, chunk));
  const ToolResult result = Run({"convert", "imageset", "in", "list", "db", "--minloglevel=1"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
}

// Both ways to CIFAR-10's database store the same order of channels.
TEST_F(ConvertToolTest, AFolderInTheOrderOfCifar10) {
  WriteImage("in/0/a.png", 32);
  ASSERT_EQ(Run({"convert", "folder", "--rgb", "in", "db"}).status, 0);
  std::string image(1, '\0');
  for (char value : {30, 20, 10}) image += std::string(1024, value);
  std::string file;
  for (int i = 0; i < 10000; ++i) file += image;
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}) {
    Write(name, file);
  }
  const ToolResult result = Run({"convert", "cifar10", ".", "out"});
  EXPECT_THAT(result.err, HasSubstr("in the order of the files: red, green, blue"));
  EXPECT_EQ(Records("db")[0].data(), Records("out/cifar10_test_lmdb")[0].data());
  const ToolResult plain = Run({"convert", "folder", "in", "plain"});
  EXPECT_THAT(plain.err, HasSubstr("blue, green, red"));
  EXPECT_THAT(plain.err, HasSubstr("Labels: all 0; 1 image."));
  EXPECT_EQ(Records("plain")[0].data()[0], 10);
}

// On a file system without locks, as some network folders are, a folder that is being filled looks
// like one that was left.
TEST_F(ConvertToolTest, TakesNothingOverWhereThereAreNoLocks) {
  WriteImage("in/a.png");
  Write("list", "a.png 1\n");
  const std::vector<std::string> convert = {"convert", "imageset", "in", "list", "db"};
  for (const int error : {ENOLCK, EINVAL, ENOSYS}) {
    ToolOptions options = Here();
    options.environment = WithFault({Concat("CREMA_NO_LOCKS=", error)});
    std::filesystem::create_directories(folder_ / "db.partial");
    for (const bool has_files : {false, true}) {
      if (has_files) Write("db.partial/CREMA_UNFINISHED", "");
      if (has_files) Write("db.partial/data.mdb", "another's");
      const ToolResult result = RunTool(convert, options);
      EXPECT_EQ(result.status, 1) << result.err;
      EXPECT_THAT(result.err, HasSubstr("has no locks that would tell whether another process"));
      EXPECT_THAT(result.err, HasSubstr("remove it"));
    }
    EXPECT_EQ(Read("db.partial/data.mdb"), "another's");
    EXPECT_FALSE(Has("db"));
    std::filesystem::remove_all(folder_ / "db.partial");
    EXPECT_EQ(RunTool(convert, options).status, 0);  // nobody has the name
    EXPECT_FALSE(Has("db.partial"));
    std::filesystem::remove_all(folder_ / "db");
  }
}

// A lock that holds on other machines, too, is one of a file.
TEST_F(ConvertToolTest, TheMarkIsLocked) {
  WriteImage("in/a.png");
  Write("list", "a.png 1\n");
  std::filesystem::create_directories(folder_ / "db.partial");
  Write("db.partial/CREMA_UNFINISHED", "");
  const Descriptor mark(open((folder_ / "db.partial/CREMA_UNFINISHED").c_str(), O_RDWR));
  ASSERT_EQ(flock(mark.get(), LOCK_EX | LOCK_NB), 0);
  ExpectError({"convert", "imageset", "in", "list", "db"}, {"another process is creating it"});
  EXPECT_TRUE(Has("db.partial/CREMA_UNFINISHED"));
}

// The mean must not take the place of the database, by whatever name.
TEST_F(ConvertToolTest, AMeanIsNotWrittenIntoItsDatabase) {
  const std::string path = (folder_ / "db").string();
  test::WriteTestDatabase(Backend::kLmdb, path, 20);
  const std::string before = Read("db/data.mdb");
  const Words files = FilesIn(folder_ / "db");
  std::filesystem::create_symlink("db/data.mdb", folder_ / "link");
  std::filesystem::create_hard_link(folder_ / "db/data.mdb", folder_ / "hard");
  for (const char* name : {"db/data.mdb", "db/../db/data.mdb", "link", "hard"}) {
    ExpectError({"mean", "db", name}, {name, "is read, and would be overwritten"});
  }
  ExpectError({"mean", "db", "db/mean.binaryproto"}, {"into the folder 'db', which is read"});
  EXPECT_EQ(Read("db/data.mdb"), before);
  EXPECT_EQ(FilesIn(folder_ / "db"), files);
  EXPECT_EQ(Run({"mean", "db", "mean.binaryproto"}).status, 0);
  EXPECT_EQ(Run({"mean", "db", "mean.binaryproto"}).status, 0);  // its own, anew
}

// Old systems have no locks of open files, but know those that the library takes.
TEST_F(ConvertToolTest, ALevelDbInUseIsRefusedWhereLocksAreOld) {
  const std::string path = (folder_ / "db").string();
  test::WriteTestDatabase(Backend::kLevelDb, path, 20);
  ToolOptions options = Here();
  options.environment = WithFault({Concat("CREMA_NO_LOCKS=", EINVAL)});
  const std::vector<std::string> mean = {"mean", "--backend=leveldb", "db", "mean.binaryproto"};
  EXPECT_EQ(RunTool(mean, options).status, 0);
  const Descriptor lock(open((path + "/LOCK").c_str(), O_RDWR));
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  ASSERT_EQ(fcntl(lock.get(), F_SETLK, &whole), 0);
  const ToolResult result = RunTool(mean, options);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("another process is using it"));
}

// The signal comes when many images have been stored.
TEST_F(ConvertToolTest, StopsAtASignalAndSaysWhatIsLeft) {
  WriteImage("in/a.png");
  std::string list;
  for (int i = 0; i < 2000; ++i) list += "a.png 1\n";
  Write("list", list);
  for (int signal : {SIGINT, SIGTERM}) {
    ToolOptions options = Here();
    options.environment =
        WithFault({"CREMA_RAISE_AT=Processed 1000 files", Concat("CREMA_RAISE=", signal)});
    const ToolResult result = RunTool({"convert", "imageset", "in", "list", "db"}, options);
    EXPECT_EQ(result.status, 128 + signal) << result.err;
    EXPECT_THAT(result.err, HasSubstr("crema: stopped by a signal after "));
    EXPECT_THAT(result.err, HasSubstr("is incomplete; removing the "));
    EXPECT_FALSE(Has("db"));
    EXPECT_FALSE(Has("db.partial"));
  }
}

}  // namespace
}  // namespace crema
