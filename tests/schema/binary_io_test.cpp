#include "schema/binary_io.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "crema.pb.h"
#include "schema_test_util.h"
#include "util/small_disk.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

size_t FileCount(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

proto::NetParameter SomeNet() {
  proto::NetParameter net;
  net.set_name("net");
  for (int i = 0; i < 10; ++i) net.add_layer()->set_name("layer " + std::to_string(i));
  return net;
}

TEST(BinaryIo, RoundTrips) {
  const std::string path = (TestFolder() / "net").string();
  WriteFileAtomically(path, SerializeToBytes(SomeNet(), path));
  proto::NetParameter net;
  net.set_force_backward(true);  // is dropped
  ReadBinaryFile(path, "a net", &net);
  EXPECT_EQ(net.SerializeAsString(), SomeNet().SerializeAsString());
}

std::string ReadError(const std::string& bytes) {
  return ErrorOf([&] {
    proto::NetParameter net;
    ReadBinary(bytes, "f", "a net", &net);
  });
}

TEST(BinaryIo, ExplainsWhatCannotBeRead) {
  EXPECT_EQ(ReadError(""), "f: is empty, not a net");
  EXPECT_EQ(ReadError("name: \"lenet\""), "f: is a text file, not a net");
  EXPECT_EQ(ReadError("\x89HDF\r\n\x1a\n\1\2"), "f: is an HDF5 file, not a net");
  EXPECT_TRUE(Contains(ReadError("version https://git-lfs.github.com/spec/v1"), "git lfs pull"));
  EXPECT_EQ(ReadError("\x07\x80\x80"), "f: is damaged, or is not a net");
}

// A cut between two fields cannot be told from a shorter net; all others must be.
TEST(BinaryIo, RecognisesTruncatedFiles) {
  const std::string whole = SomeNet().SerializeAsString();
  int refused = 0;
  for (size_t size = 1; size < whole.size(); ++size) {
    const std::string error = ReadError(whole.substr(0, size));
    if (error.empty()) continue;
    EXPECT_TRUE(Contains(error, Concat("ends in the middle of its data, after ", size, " bytes")))
        << error;
    ++refused;
  }
  EXPECT_EQ(refused, static_cast<int>(whole.size()) - 1 - 10);
}

TEST(BinaryIo, ReadFileBytesReadsPipes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "piped", 5), 5);
  close(ends[1]);
  EXPECT_EQ(ReadFileBytes("/dev/fd/" + std::to_string(ends[0])), "piped");
  close(ends[0]);
}

TEST(BinaryIo, RefusesFilesOverTheLimitUnread) {
  const fs::path path = TestFolder() / "large";
  WriteTestFile(path, "");
  fs::resize_file(path, 3ull << 30);  // takes no space on the disk
  const std::string error = ErrorOf([&] { ReadFileBytes(path.string()); });
  EXPECT_TRUE(Contains(error, "is larger than 2 GiB")) << error;
}

TEST(WriteFileAtomically, ReplacesAndLeavesNothingElse) {
  const auto folder = TestFolder();
  const std::string path = (folder / "file").string();
  WriteFileAtomically(path, "first");
  WriteFileAtomically(path, "second");
  EXPECT_EQ(ReadTestFile(path), "second");
  WriteFileAtomically(path, "");
  EXPECT_EQ(ReadTestFile(path), "");
  EXPECT_EQ(FileCount(folder), 1u);
}

TEST(WriteFileAtomically, FollowsLinks) {
  const auto folder = TestFolder();
  fs::create_directories(folder / "real");
  WriteTestFile(folder / "real" / "file", "old");
  fs::create_symlink("real/file", folder / "link");
  WriteFileAtomically((folder / "link").string(), "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(ReadTestFile(folder / "real" / "file"), "new");
  fs::create_symlink("nowhere/file", folder / "broken");
  EXPECT_NE(ErrorOf([&] { WriteFileAtomically((folder / "broken").string(), "x"); }), "");
}

TEST(WriteFileAtomically, RefusesWhatIsNoFile) {
  const auto folder = TestFolder();
  const std::string pipe_path = (folder / "pipe").string();
  ASSERT_EQ(mkfifo(pipe_path.c_str(), 0600), 0);
  EXPECT_EQ(ErrorOf([&] { WriteFileAtomically(pipe_path, "x"); }),
            pipe_path + ": cannot be written: it is not a regular file");
  EXPECT_TRUE(fs::is_fifo(pipe_path));
  EXPECT_EQ(ErrorOf([&] { WriteFileAtomically(folder.string(), "x"); }),
            folder.string() + ": cannot be written: it is a folder");
  const std::string lost = (folder / "no" / "such").string();
  EXPECT_EQ(ErrorOf([&] { WriteFileAtomically(lost, "x"); }),
            lost + ": cannot be written: No such file or directory (in the folder " +
                (folder / "no").string() + ")");
  EXPECT_EQ(FileCount(folder), 1u);
}

// A file-size limit stands for a full disk: the write fails halfway.
TEST(WriteFileAtomically, LeavesTheOldFileWhereTheDiskIsFull) {
  const auto folder = TestFolder();
  const std::string path = (folder / "file").string();
  WriteFileAtomically(path, "old");
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string error = ErrorOf([&] { WriteFileAtomically(path, std::string(100000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(error, path + ": cannot be written: File too large");
  EXPECT_EQ(ReadTestFile(path), "old");
  EXPECT_EQ(FileCount(folder), 1u);
}

// In a container each run has the same process number as the one before, which was killed.
TEST(WriteFileAtomically, PassesByTheTemporaryFilesOfOthers) {
  const auto folder = TestFolder();
  const std::string path = (folder / "file").string();
  const std::string first = path + ".tmp." + std::to_string(getpid()) + ".0";
  {
    const PendingFile pending(path, "x");
    EXPECT_TRUE(fs::exists(first));
  }
  WriteTestFile(first, "of another");
  fs::create_symlink("victim", first.substr(0, first.size() - 1) + "1");
  CheckWritable(path);
  WriteFileAtomically(path, "new");
  EXPECT_EQ(ReadTestFile(path), "new");
  EXPECT_EQ(ReadTestFile(first), "of another");
  EXPECT_FALSE(fs::exists(folder / "victim"));
  EXPECT_EQ(FileCount(folder), 3u);
}

// However many files a process writes, their names do not get longer.
TEST(WriteFileAtomically, WritesWhateverCanBeBegun) {
  const auto folder = TestFolder();
  const auto longest = static_cast<size_t>(pathconf(folder.c_str(), _PC_NAME_MAX));
  std::string name(longest, 'x');
  while (!ErrorOf([&] { CheckWritable((folder / name).string()); }).empty()) {
    ASSERT_GT(name.size(), 0u);
    name.pop_back();
  }
  EXPECT_LT(name.size(), longest);
  for (int i = 0; i < 12; ++i) WriteFileAtomically((folder / name).string(), "x");
  EXPECT_EQ(FileCount(folder), 1u);
}

// Each reason has advice of its own.
TEST(CheckWritable, SaysWhatHelps) {
  const auto folder = TestFolder();
  const auto expect = [&](const std::string& name, const std::string& why,
                          const std::string& advice) {
    const std::string error = ErrorOf([&] { CheckWritable((folder / name).string()); });
    EXPECT_NE(error.find(why), std::string::npos) << error;
    EXPECT_NE(error.find("; " + advice), std::string::npos) << error;
  };
  WriteTestFile(folder / "file", "x");
  expect("none/x", "No such file or directory", "create the folder");
  expect("file/x", "Not a directory", "a part of its path is a file");
  expect(std::string(300, 'x'), "File name too long", "shorten the name");
  expect("", "it is a folder", "move it away");
  EXPECT_EQ(FileCount(folder), 1u);
  const SmallDisk disk((folder / "disk").string(), "64k");
  if (!disk.mounted()) GTEST_SKIP() << "a small disk can only be mounted by root";
  EXPECT_EQ(ErrorOf([&] { CheckWritable((folder / "disk/x").string()); }), "");
  EXPECT_EQ(FileCount(folder / "disk"), 0u);
  WriteTestFile(folder / "disk/filler", std::string(100000, 'x'));
  expect("disk/x", "No space left on device", "make room on that disk");
  EXPECT_EQ(FileCount(folder / "disk"), 1u);
  ASSERT_TRUE(disk.MakeReadOnly());
  expect("disk/x", "Read-only file system", "its file system is read-only");
}

TEST(CheckWritable, SaysWhoMayWrite) {
  const auto folder = TestFolder();
  fs::permissions(folder, static_cast<fs::perms>(0555));
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(3);
    if (access(folder.c_str(), X_OK) != 0) _exit(3);
    const std::string error = ErrorOf([&] { CheckWritable((folder / "x").string()); });
    _exit(error.find("you may not write there") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  fs::permissions(folder, fs::perms::owner_all);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 3) GTEST_SKIP() << "the rights of another user cannot be taken";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(PendingFile, AppearsWithCommitOnly) {
  const auto folder = TestFolder();
  const std::string path = (folder / "file").string();
  WriteTestFile(path, "old");
  { const PendingFile dropped(path, "new"); }
  EXPECT_EQ(ReadTestFile(path), "old");
  EXPECT_EQ(FileCount(folder), 1u);
  PendingFile pending(path, "new");
  EXPECT_EQ(ReadTestFile(path), "old");
  pending.Commit();
  EXPECT_EQ(ReadTestFile(path), "new");
  EXPECT_EQ(FileCount(folder), 1u);
}

// The check value of the CRC-32 that zlib and gzip use.
TEST(BinaryIo, Checksums) {
  const std::string digits = "123456789";
  EXPECT_EQ(ChecksumOf(digits.data(), 9), 0xcbf43926u);
  EXPECT_EQ(ChecksumOf(digits.data() + 4, 5, ChecksumOf(digits.data(), 4)), 0xcbf43926u);
  EXPECT_EQ(ChecksumOf(nullptr, 0, 5), 5u);
  const std::string path = (TestFolder() / "file").string(), large(3000000, 'x');
  WriteTestFile(path, large);
  EXPECT_EQ(SumOfFile(path).bytes, large.size());
  EXPECT_EQ(SumOfFile(path).checksum, ChecksumOf(large.data(), large.size()));
  EXPECT_EQ(SumOfFile(path, 2000000).bytes, 2000000u);
  EXPECT_EQ(SumOfFile(path, 2000000).checksum, ChecksumOf(large.data(), 2000000));
  EXPECT_EQ(LastBytesOf(WriteTestFile(path, digits), 3), "789");
  EXPECT_EQ(LastBytesOf(path, 30), digits);
  EXPECT_NE(ErrorOf([&] { SumOfFile(path + ".none"); }), "");
}

TEST(WriteFileAtomically, NamesTheReasonOfALockedFolder) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const auto folder = TestFolder();
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
  const std::string path = (folder / "file").string();
  const std::string error = ErrorOf([&] { WriteFileAtomically(path, "x"); });
  fs::permissions(folder, fs::perms::owner_all);
  EXPECT_TRUE(Contains(error, "Permission denied")) << error;
}

}  // namespace
}  // namespace crema
