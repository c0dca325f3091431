#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "schema/hdf5_io.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class Hdf5DataTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    folder_ = TestFolder();
  }
  std::string At(const std::string& name) const { return (folder_ / name).string(); }

  // Rows `first`, first + 1, ...: data row i is (10 i, 10 i + 1), its label i.
  void WriteRows(const std::string& name, int first, int count) const {
    std::vector<float> data, label;
    for (int i = first; i < first + count; ++i) {
      data.insert(data.end(), {10.0f * i, 10.0f * i + 1});
      label.push_back(static_cast<float>(i));
    }
    Hdf5File file = Hdf5File::CreateInMemory(name);
    file.Write("data", {count, 2, 1}, data.data());
    file.Write("label", {count}, label.data());
    WriteTestFile(folder_ / name, file.Bytes());
  }
  void WriteList(const std::vector<std::string>& names) const {
    std::ofstream list(folder_ / "list.txt");
    for (const std::string& name : names) list << At(name) << "\n";
  }
  LayerRunner MakeRunner(int batch, const std::string& options = "", uint64_t seed = 1) const {
    RunnerOptions on;
    on.device = device();
    on.seed = seed;
    return LayerRunner("type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param { source: '" +
                           At("list.txt") + "' batch_size: " + std::to_string(batch) + " " +
                           options + " }",
                       {}, on);
  }
  static std::vector<double> Labels(LayerRunner& runner, int batches) {
    std::vector<double> all;
    for (int i = 0; i < batches; ++i) {
      runner.Forward();
      const std::vector<double> labels = runner.Top(1), data = runner.Top(0);
      for (size_t n = 0; n < labels.size(); ++n) {
        EXPECT_EQ(data[2 * n], 10 * labels[n]);
        EXPECT_EQ(data[2 * n + 1], 10 * labels[n] + 1);
      }
      all.insert(all.end(), labels.begin(), labels.end());
    }
    return all;
  }

  std::filesystem::path folder_;
};
CREMA_ON_ALL_DEVICES(Hdf5DataTest);

TEST_P(Hdf5DataTest, GoesThroughTheFilesAndBeginsAnew) {
  WriteRows("a.h5", 0, 3);
  WriteRows("b.h5", 3, 2);
  WriteList({"a.h5", "b.h5"});
  LayerRunner runner = MakeRunner(4);
  EXPECT_EQ(runner.top_shape(0), (Shape{4, 2, 1}));
  EXPECT_EQ(runner.top_shape(1), Shape{4});
  EXPECT_EQ(Labels(runner, 3), (std::vector<double>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1}));
  EXPECT_GT(runner.layer().waited_seconds().value_or(0), 0);
  EXPECT_EQ(runner.layer().position(), 12u);
}

TEST_P(Hdf5DataTest, ShufflesEachEpochAnew) {
  WriteRows("a.h5", 0, 6);
  WriteRows("b.h5", 6, 4);
  WriteList({"a.h5", "b.h5"});
  LayerRunner runner = MakeRunner(10, "shuffle: true"), again = MakeRunner(10, "shuffle: true");
  LayerRunner other = MakeRunner(10, "shuffle: true", 2);
  const std::vector<double> first = Labels(runner, 1), second = Labels(runner, 1);
  EXPECT_EQ(std::set<double>(first.begin(), first.end()).size(), 10u);
  EXPECT_EQ(std::set<double>(second.begin(), second.end()).size(), 10u);
  EXPECT_NE(first, second);
  EXPECT_EQ(Labels(again, 1), first);
  EXPECT_NE(Labels(other, 1), first);
}

TEST_P(Hdf5DataTest, GoesOnFromAnyPlace) {
  WriteRows("a.h5", 0, 5);
  WriteRows("b.h5", 5, 7);
  WriteList({"a.h5", "b.h5"});
  for (const char* options : {"", "shuffle: true"}) {
    LayerRunner straight = MakeRunner(3, options);
    const std::vector<double> all = Labels(straight, 12);
    for (int batches : {1, 4, 7}) {
      LayerRunner resumed = MakeRunner(3, options);
      resumed.layer().Seek(static_cast<uint64_t>(3 * batches));
      EXPECT_EQ(Labels(resumed, 12 - batches),
                std::vector<double>(all.begin() + 3 * batches, all.end()));
    }
  }
}

TEST_P(Hdf5DataTest, TakesBlanksInNamesAndWhatEditorsLeave) {
  WriteRows("a b.h5", 0, 3);
  WriteRows("c.h5", 3, 2);
  WriteTestFile(folder_ / "list.txt",
                "\xef\xbb\xbf" + At("a b.h5") + "\r\n\r\n" + At("c.h5") + " \r\n");
  LayerRunner runner = MakeRunner(5);
  EXPECT_EQ(Labels(runner, 1), (std::vector<double>{0, 1, 2, 3, 4}));
}

TEST_P(Hdf5DataTest, RefusesWhatDoesNotFit) {
  const auto fails = [&](const std::vector<std::string>& parts) {
    ExpectError([&] { MakeRunner(2); }, parts);
  };
  fails({"'test' (HDF5Data)", "list.txt", "cannot be opened"});
  WriteList({});
  fails({"list.txt is empty"});
  WriteRows("list.txt", 0, 3);
  fails({"list.txt is an HDF5 file", "a text file with the name of one HDF5 file per line"});
  WriteList({"none.h5"});
  fails({"list.txt:1: ", "none.h5", "cannot be opened"});
  WriteTestFile(folder_ / "text.h5", "this is not HDF5");
  WriteList({"text.h5"});
  fails({"text.h5", "not an HDF5 file"});
  Hdf5File odd = Hdf5File::CreateInMemory("odd");
  const float values[] = {1, 2, 3, 4};
  odd.Write("data", {2, 2, 1}, values);
  WriteTestFile(folder_ / "odd.h5", odd.Bytes());
  WriteList({"odd.h5"});
  fails({"odd.h5", "no dataset 'label'"});
  odd.Write("label", {3}, values);
  WriteTestFile(folder_ / "odd.h5", odd.Bytes());
  fails({"odd.h5", "'label'", "3 rows", "'data' has 2"});
  WriteRows("a.h5", 0, 3);
  Hdf5File wide = Hdf5File::CreateInMemory("wide");
  wide.Write("data", {1, 4}, values);
  wide.Write("label", {1}, values);
  WriteTestFile(folder_ / "wide.h5", wide.Bytes());
  WriteList({"a.h5", "wide.h5"});
  fails({"wide.h5", "rows of shape 4 (4)", "2 1 (2)"});
  const std::string whole = ReadTestFile(folder_ / "a.h5");
  WriteTestFile(folder_ / "cut.h5", whole.substr(0, whole.size() / 2));
  WriteList({"cut.h5"});
  fails({"cut.h5"});
}

TEST_P(Hdf5DataTest, RefusesATransform) {
  ExpectError([&] { MakeRunner(2, "} transform_param { scale: 2"); }, {"transform_param"});
}

}  // namespace
}  // namespace crema::test
