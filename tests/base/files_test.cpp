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
    ASSERT_EQ(mkfifo(pipe_.c_str(), 0600), 0);
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

TEST_F(FilesTest, WriteFileOrStreamWritesFiles) {
  const std::string path = (folder_ / "file").string();
  WriteFileOrStream(path, "bytes");
  EXPECT_EQ(ReadTestFile(path), "bytes");
}

}  // namespace
}  // namespace crema::test
