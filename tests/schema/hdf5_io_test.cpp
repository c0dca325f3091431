#include "schema/hdf5_io.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include "schema/schema_test_util.h"
#include "util/layer_runner.h"

namespace crema {
namespace {

herr_t Note(hid_t, void* calls) {
  ++*static_cast<int*>(calls);
  return 0;
}

// The program's own handler of the library's errors while the test runs.
class Hdf5ErrorsTest : public testing::Test {
 protected:
  void SetUp() override {
    H5Eget_auto2(H5E_DEFAULT, &before_, &data_before_);
    H5Eset_auto2(H5E_DEFAULT, Note, &calls_);
  }
  void TearDown() override { H5Eset_auto2(H5E_DEFAULT, before_, data_before_); }

  void ExpectMine() const {
    H5E_auto2_t handler = nullptr;
    void* data = nullptr;
    H5Eget_auto2(H5E_DEFAULT, &handler, &data);
    EXPECT_TRUE(handler == Note);
    EXPECT_EQ(data, &calls_);
  }

  int calls_ = 0;
  H5E_auto2_t before_ = nullptr;
  void* data_before_ = nullptr;
};

TEST_F(Hdf5ErrorsTest, TheProgramsHandlerStays) {
  const std::string path = (TestFolder() / "a.h5").string();
  {
    Hdf5File file = Hdf5File::Create(path);
    const float values[] = {1, 2};
    file.Write("x", {2}, values);
    ExpectMine();
  }
  const Hdf5File file = Hdf5File::Open(path);
  EXPECT_EQ(file.ReadFloats("x"), (std::vector<float>{1, 2}));
  ExpectMine();
  EXPECT_FALSE(file.Has("y"));
  test::ExpectError([&] { file.ReadFloats("y"); }, {"no dataset 'y'"});
  ExpectMine();
  EXPECT_EQ(calls_, 0) << "our own errors are not the program's";
}

TEST_F(Hdf5ErrorsTest, AlsoAfterBrokenFiles) {
  const std::string path = WriteTestFile(TestFolder() / "broken.h5", "no HDF5");
  test::ExpectError([&] { Hdf5File::Open(path); }, {"not an HDF5 file"});
  ExpectMine();
  TryAndRead(path, [] {});
  ExpectMine();
  EXPECT_EQ(calls_, 0);
}

// Files of the same values are the same, whenever they were made.
TEST(Hdf5Io, FilesHoldNoTimes) {
  const std::string path = (TestFolder() / "a.h5").string();
  Hdf5File file = Hdf5File::CreateInMemory(path);
  const float value = 1;
  file.Write("data/a/0", {1}, &value);
  WriteTestFile(path, file.Bytes());
  const hid_t opened = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  ASSERT_GE(opened, 0);
  for (const char* name : {"data", "data/a", "data/a/0"}) {
    H5O_info_t info;
    ASSERT_GE(H5Oget_info_by_name(opened, name, &info, H5P_DEFAULT), 0);
    EXPECT_EQ(info.mtime, 0) << name;
    EXPECT_EQ(info.ctime, 0) << name;
  }
  H5Fclose(opened);
}

}  // namespace
}  // namespace crema
