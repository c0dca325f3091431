#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/binary_io.h"
#include "schema/schema_test_util.h"

namespace crema::test {
namespace {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    pipe_ = (folder_ / "pipe").string();
    if (mkfifo(pipe_.c_str(), 0600) != 0) GTEST_SKIP() << "mkfifo: " << ErrorText(errno);
  }

  std::filesystem::path folder_;
  std::string pipe_;
};

TEST_F(FilesTest, OpensFilesOnly) {
  const std::string file = WriteTestFile(folder_ / "file", "bytes");
  EXPECT_EQ(WhyNotReadable(file), "");
  EXPECT_EQ(fcntl(OpenForReading(file).get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(WhyNotReadable(folder_.string()), "is a folder, not a file");
  EXPECT_EQ(WhyNotReadable("/dev/zero"), "is a device or a socket, not a file");
  EXPECT_EQ(WhyNotReadable(file + "2"), "cannot be opened: No such file or directory");
  EXPECT_EQ(WhyNotReadable(pipe_), "is a pipe, not a file");
  EXPECT_EQ(ErrorOf([&] { OpenForReading(pipe_); }), pipe_ + ": is a pipe, not a file");
}

TEST_F(FilesTest, APipeThatNobodyWritesToHasEnded) {
  EXPECT_EQ(ErrorOf([&] { ReadFileBytes(pipe_); }),
            pipe_ + ": is a pipe that nothing was written to; start what writes to it first");
  EXPECT_EQ(ErrorOf([&] { ReadFileBytes(pipe_, Accept::kFile); }),
            pipe_ + ": is a pipe, not a file");
  EXPECT_EQ(ErrorOf([&] { SumOfFile(pipe_); }), pipe_ + ": is a pipe, not a file");
}

TEST_F(FilesTest, PipesForWritingNeedAReader) {
  EXPECT_TRUE(IsStream(pipe_));
  EXPECT_FALSE(IsStream(folder_.string()));
  EXPECT_FALSE(IsStream(pipe_ + "2"));
  EXPECT_EQ(ErrorOf([&] { OpenStreamForWriting(pipe_); }),
            pipe_ + ": is a pipe that nobody reads; start its reader first");
  EXPECT_EQ(ErrorOf([&] { WriteFileOrStream(pipe_, "x"); }),
            pipe_ + ": is a pipe that nobody reads; start its reader first");
  const Descriptor reader(open(pipe_.c_str(), O_RDONLY | O_NONBLOCK));
  WriteFileOrStream(pipe_, "bytes");
  char bytes[6] = "";
  EXPECT_EQ(read(reader.get(), bytes, 5), 5);
  EXPECT_STREQ(bytes, "bytes");
}

TEST_F(FilesTest, NullAndTerminalsHaveAnEnd) {
  EXPECT_EQ(ReadFileBytes("/dev/null"), "");
  EXPECT_EQ(WhyNotReadable("/dev/null"), "is a device or a socket, not a file");
}

TEST_F(FilesTest, NamesOfOpenFiles) {
  const Descriptor file(open((folder_ / "file").c_str(), O_WRONLY | O_CREAT, 0600));
  for (const std::string start : {"/dev/fd/", "/proc/self/fd/"}) {
    const Descriptor same = DescriptorNamed(start + std::to_string(file.get()));
    EXPECT_EQ(WriteAll(same.get(), "ab"), 0);
  }
  EXPECT_EQ(ReadTestFile(folder_ / "file"), "abab");
  for (const char* none : {"/dev/fd/", "/dev/fd/x", "/dev/fd/1x", "/dev/fd/-1", "/dev/fd/99999",
                           "/dev/null", "file"}) {
    EXPECT_FALSE(DescriptorNamed(none).ok()) << none;
  }
}

TEST_F(FilesTest, WriteFileOrStreamWritesInPlaceWhereAFileCannotBeReplaced) {
  const std::string path = (folder_ / "file").string();
  WriteTestFile(path, "old and longer");
  ASSERT_EQ(chmod(folder_.c_str(), 0500), 0);
  if (geteuid() != 0) {  // the folder stops nobody else
    WriteFileOrStream(path, "new");
    EXPECT_EQ(ReadTestFile(path), "new");
    EXPECT_NE(ErrorOf([&] { WriteFileOrStream(path + "2", "new"); }), "");
  }
  ASSERT_EQ(chmod(folder_.c_str(), 0700), 0);
}

TEST_F(FilesTest, WriteFileOrStreamWritesFiles) {
  const std::string path = (folder_ / "file").string();
  WriteFileOrStream(path, "bytes");
  EXPECT_EQ(ReadTestFile(path), "bytes");
}

}  // namespace
}  // namespace crema::test
