#include <gtest/gtest.h>

#include "schema/hdf5_io.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class Hdf5OutputTest : public LayerTest {
 protected:
  LayerRunner MakeRunner(const std::string& file, const std::vector<Shape>& bottoms) const {
    RunnerOptions on;
    on.device = device();
    on.tops = 0;
    return LayerRunner("type: 'HDF5Output' hdf5_output_param { file_name: '" + file + "' }",
                       bottoms, on);
  }
};
CREMA_ON_ALL_DEVICES(Hdf5OutputTest);

// Caffe's layer takes one batch only.
TEST_P(Hdf5OutputTest, AddsEachBatch) {
  const std::string path = (TestFolder() / "out.h5").string();
  {
    LayerRunner runner = MakeRunner(path, {Shape{2, 3}, Shape{2}});
    runner.SetBottom(0, {1, 2, 3, 4, 5, 6});
    runner.SetBottom(1, {7, 8});
    runner.Forward();
    runner.SetBottom(0, {11, 12, 13, 14, 15, 16});
    runner.Forward();
  }
  const Hdf5File file = Hdf5File::Open(path);
  EXPECT_EQ(file.Shape("data"), (std::vector<int64_t>{4, 3, 1, 1}));
  EXPECT_EQ(file.Shape("label"), (std::vector<int64_t>{4, 1, 1, 1}));
  EXPECT_EQ(file.ReadFloats("data"),
            (std::vector<float>{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(file.ReadFloats("label"), (std::vector<float>{7, 8, 7, 8}));
}

TEST_P(Hdf5OutputTest, TakesAnEmptyBatch) {
  const std::string path = (TestFolder() / "empty.h5").string();
  MakeRunner(path, {Shape{0, 3}, Shape{0}}).Forward();
  EXPECT_EQ(Hdf5File::Open(path).Shape("data"), (std::vector<int64_t>{0, 3, 1, 1}));
}

TEST_P(Hdf5OutputTest, MakesNoFileBeforeTheFirstPass) {
  const auto folder = TestFolder();
  const std::string path = (folder / "out.h5").string();
  WriteTestFile(path, "");
  { const LayerRunner unused = MakeRunner(path, {Shape{2, 3}, Shape{2}}); }
  EXPECT_EQ(ReadTestFile(path), "");
  EXPECT_EQ(FilesIn(folder).size(), 1u);
}

TEST_P(Hdf5OutputTest, AnErrorLeavesWhatWasThere) {
  const auto folder = TestFolder();
  const std::string path = (folder / "out.h5").string();
  MakeRunner(path, {Shape{2, 3}, Shape{2}}).Forward();
  const std::string before = ReadTestFile(path);
  EXPECT_THROW(
      {
        LayerRunner runner = MakeRunner(path, {Shape{4, 3}, Shape{4}});
        runner.Forward();
        throw Error("of somebody else");
      },
      Error);
  EXPECT_EQ(ReadTestFile(path), before);
  EXPECT_EQ(FilesIn(folder).size(), 1u);
}

TEST_P(Hdf5OutputTest, TwoLayersHaveTwoFiles) {
  const std::string path = (TestFolder() / "out.h5").string();
  const LayerRunner runner = MakeRunner(path, {Shape{2, 3}, Shape{2}});
  ExpectError([&] { MakeRunner(path, {Shape{2, 3}, Shape{2}}); }, {path, "of another layer"});
}

TEST_P(Hdf5OutputTest, LeavesOtherFilesAlone) {
  const std::string path = WriteTestFile(TestFolder() / "net.prototxt", "layer { name: 'x' }");
  ExpectError([&] { MakeRunner(path, {Shape{2, 3}, Shape{2}}); }, {path, "not an HDF5 file"});
  EXPECT_EQ(ReadTestFile(path), "layer { name: 'x' }");
}

TEST_P(Hdf5OutputTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        MakeRunner("", {Shape{2, 3}, Shape{2}});
      },
      {"'test' (HDF5Output)", "file_name"});
  ExpectError([&] { MakeRunner("x.h5", {Shape{2, 3}, Shape{3}}); }, {"2 3 (6)", "3 (3)"});
  ExpectError(
      [&] {
        MakeRunner("no/such/folder/x.h5", {Shape{2, 3}, Shape{2}});
      },
      {"no/such/folder/x.h5", "cannot be written"});
}

}  // namespace
}  // namespace crema::test
