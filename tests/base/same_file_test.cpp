#include "base/same_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "train/train_test_util.h"

namespace crema {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class SameFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    fs::create_directory(folder_ / "db");
    WriteTestFile(folder_ / "db/data", "x");
    WriteTestFile(folder_ / "a", "x");
    WriteTestFile(folder_ / "b", "x");
  }
  std::string At(const std::string& name) const { return (folder_ / name).string(); }
  void Check(const std::string& output) const {
    CheckIsNoInput(At(output), {At("a"), "", At("none"), At("db")});
  }

  fs::path folder_;
};

TEST_F(SameFileTest, FindsFilesByAnyName) {
  fs::create_symlink("a", folder_ / "link");
  fs::create_hard_link(folder_ / "a", folder_ / "hard");
  for (const char* name : {"a", "link", "hard", "db/../a", "db/data"}) {
    EXPECT_THAT([&] { Check(name); }, ThrowsMessage<Error>(HasSubstr("would be overwritten")));
  }
  for (const char* name : {"b", "new", "none", "no/such/folder"}) EXPECT_NO_THROW(Check(name));
}

TEST_F(SameFileTest, FindsWhatLiesInAFolder) {
  fs::create_directory_symlink("db", folder_ / "link");
  for (const char* name : {"db/new", "link/new"}) {
    EXPECT_THAT([&] { Check(name); },
                ThrowsMessage<Error>(AllOf(HasSubstr(name), HasSubstr("into the folder"))));
  }
  WriteTestFile(folder_ / "elsewhere", "x");
  fs::create_symlink("../elsewhere", folder_ / "db/more");
  EXPECT_THAT([&] { Check("elsewhere"); }, ThrowsMessage<Error>(HasSubstr("db/more")));
}

TEST_F(SameFileTest, PipesMayBeBoth) {
  if (mkfifo(At("pipe").c_str(), 0600) != 0) GTEST_SKIP() << "there are no pipes";
  EXPECT_NO_THROW(CheckIsNoInput(At("pipe"), {At("pipe")}));
  EXPECT_NO_THROW(CheckIsNoInput("/dev/null", {"/dev/null"}));
}

}  // namespace
}  // namespace crema
