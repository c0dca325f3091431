// The lock of a prefix: for one run at a time, and in nobody's way afterwards.
#include "train/prefix_lock.h"

#include <sys/stat.h>
#include <unistd.h>

#include "train/train_test_util.h"

namespace crema {
namespace {

using Names = std::vector<std::string>;

class PrefixLockTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    prefix_ = (folder_ / "p").string();
  }
  std::string LockError() const {
    return ErrorOf([&] { const PrefixLock lock(prefix_); });
  }
  std::filesystem::path folder_;
  std::string prefix_;
};

TEST_F(PrefixLockTest, IsHeldOnce) {
  {
    const PrefixLock lock(prefix_);
    const std::string error = LockError();
    EXPECT_TRUE(Contains(error, Concat("another run (process ", getpid(), " on "))) << error;
    EXPECT_TRUE(Contains(error, "'" + prefix_ + "'")) << error;
    EXPECT_TRUE(Contains(error, "change snapshot_prefix")) << error;
    const PrefixLock other(prefix_ + "2");
    EXPECT_EQ(FilesIn(folder_), (Names{"p.lock", "p2.lock"}));
  }
  EXPECT_EQ(FilesIn(folder_), Names{});
  EXPECT_EQ(LockError(), "");
}

// A run that was killed has left its file.
TEST_F(PrefixLockTest, TakesOverFromTheDead) {
  for (const std::string content : {"crema train, process 123456789 on a machine\n", ""}) {
    WriteTestFile(prefix_ + ".lock", content);
    {
      const PrefixLock lock(prefix_);
      EXPECT_EQ(ReadTestFile(prefix_ + ".lock").rfind(Concat("crema train, process ", getpid()), 0),
                0u);
    }
    EXPECT_EQ(FilesIn(folder_), Names{});
  }
}

// Whatever has been put in its place by then is not the lock's to remove.
TEST_F(PrefixLockTest, RemovesItsOwnFileOnly) {
  {
    const PrefixLock lock(prefix_);
    std::filesystem::remove(prefix_ + ".lock");
    WriteTestFile(prefix_ + ".lock", "my notes");
  }
  EXPECT_EQ(ReadTestFile(prefix_ + ".lock"), "my notes");
}

TEST_F(PrefixLockTest, LeavesTheFilesOfUsers) {
  WriteTestFile(prefix_ + ".lock", "my notes");
  {
    const PrefixLock lock(prefix_);
    const std::string error = LockError();
    EXPECT_TRUE(Contains(error, "another run is saving")) << error;
  }
  EXPECT_EQ(ReadTestFile(prefix_ + ".lock"), "my notes");
  EXPECT_EQ(FilesIn(folder_), Names{"p.lock"});
}

TEST_F(PrefixLockTest, FollowsNoLinks) {
  std::filesystem::create_symlink("victim", prefix_ + ".lock");
  const std::string link = LockError();
  EXPECT_TRUE(Contains(link, "p.lock: is not a regular file")) << link;
  EXPECT_EQ(FilesIn(folder_), Names{"p.lock"});
  std::filesystem::remove(prefix_ + ".lock");
  ASSERT_EQ(mkfifo((prefix_ + ".lock").c_str(), 0600), 0);
  const std::string fifo = LockError();
  EXPECT_TRUE(Contains(fifo, "is not a regular file")) << fifo;
}

// Nor can snapshots be saved there; that is told elsewhere.
TEST_F(PrefixLockTest, IsSilentWhereNoFileCanBe) {
  LogCapture log;
  for (const char* prefix : {"/nowhere/at/all/p", "/proc/p", ""}) {
    EXPECT_EQ(
        ErrorOf([&] { const PrefixLock lock(prefix[0] == '\0' ? prefix_ + "/x/y" : prefix); }), "");
  }
  EXPECT_EQ(log.lines(), Names{});
}

}  // namespace
}  // namespace crema
