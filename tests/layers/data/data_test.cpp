#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/databases.h"
#include "data/mean.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class DataLayerTest : public LayerTest {
 protected:
  static constexpr int kRecords = 10;

  void SetUp() override {
    LayerTest::SetUp();
    WriteTestDatabase(Backend::kLmdb, temp_ / "lmdb", kRecords, 3, 4, 5);
    WriteTestDatabase(Backend::kLevelDb, temp_ / "leveldb", kRecords, 3, 4, 5);
  }

  std::string Text(const std::string& data_param, const std::string& more = "",
                   const std::string& database = "lmdb") const {
    return "name: 'data' type: 'Data' data_param { source: '" + (temp_ / database) + "' " +
           (database == "leveldb" ? "" : "backend: LMDB ") + data_param + " } " + more;
  }

  RunnerOptions Options(DType dtype = DType::kFloat32, int tops = 2) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    options.tops = tops;
    options.seed = 5;
    return options;
  }

  // The tops of the next batches.
  static std::vector<std::vector<double>> Take(LayerRunner* runner, int batches) {
    std::vector<std::vector<double>> values;
    for (int k = 0; k < batches; ++k) {
      runner->Forward();
      for (int t = 0; t < runner->tops(); ++t) values.push_back(runner->Top(t));
    }
    return values;
  }

  TempFolder temp_;
};
CREMA_ON_ALL_DEVICES(DataLayerTest);

TEST_P(DataLayerTest, GivesImagesAndLabels) {
  for (const char* database : {"lmdb", "leveldb"}) {
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      LayerRunner runner(Text("batch_size: 4", "", database), {}, Options(dtype));
      EXPECT_EQ(runner.top_shape(0), (Shape{4, 3, 4, 5}));
      EXPECT_EQ(runner.top_shape(1), (Shape{4}));
      for (int k = 0; k < 6; ++k) {
        EXPECT_EQ(runner.layer().position(), static_cast<uint64_t>(4 * k));
        runner.Forward();
        std::vector<double> data, labels;
        for (int i = 4 * k; i < 4 * k + 4; ++i) {
          const int record = i % kRecords;
          labels.push_back(record);
          for (int p = 0; p < 60; ++p) data.push_back((7 * record + 3 * p) % 256);
        }
        EXPECT_EQ(runner.Top(0), data);
        EXPECT_EQ(runner.Top(1), labels);
      }
    }
  }
}

TEST_P(DataLayerTest, LabelsAreOptional) {
  LayerRunner runner(Text("batch_size: 10"), {}, Options(DType::kFloat32, 1));
  EXPECT_EQ(runner.tops(), 1);
  runner.Forward();
  EXPECT_EQ(runner.Top(0)[60], 7);
}

TEST_P(DataLayerTest, Transforms) {
  MeanImage mean;
  mean.size = {3, 4, 5};
  for (int p = 0; p < 60; ++p) mean.values.push_back(static_cast<float>(p));
  WriteMeanFile(mean, temp_ / "mean.binaryproto");
  const std::string transform = "transform_param { scale: 0.5 crop_size: 2 mean_file: '" +
                                (temp_ / "mean.binaryproto") + "' }";
  RunnerOptions options = Options();
  options.phase = Phase::kTest;
  LayerRunner runner(Text("batch_size: 1", transform), {}, options);
  EXPECT_EQ(runner.top_shape(0), (Shape{1, 3, 2, 2}));
  runner.Forward();
  std::vector<double> expected;  // rows and columns from (4 - 2) / 2 = 1 and (5 - 2) / 2 = 1
  for (int c = 0; c < 3; ++c) {
    for (int p : {6, 7, 11, 12}) expected.push_back((3 * (20 * c + p) - (20 * c + p)) * 0.5);
  }
  EXPECT_EQ(runner.Top(0), expected);
}

TEST_P(DataLayerTest, GoesOnWhereItStopped) {
  const std::string text =
      Text("batch_size: 3 shuffle: true", "transform_param { mirror: true crop_size: 2 }");
  LayerRunner whole(text, {}, Options());
  const auto expected = Take(&whole, 15);
  EXPECT_EQ(whole.layer().position(), 45u);
  LayerRunner part(text, {}, Options());
  part.layer().Seek(21);
  EXPECT_EQ(part.layer().position(), 21u);
  EXPECT_EQ(Take(&part, 8),
            (std::vector<std::vector<double>>(expected.begin() + 14, expected.end())));
  EXPECT_EQ(part.layer().position(), 45u);
}

TEST_P(DataLayerTest, RandomNumbersComeFromTheSeedAndTheName) {
  const std::string text = Text("batch_size: 10", "transform_param { mirror: true crop_size: 2 }");
  LayerRunner one(text, {}, Options()), same(text, {}, Options());
  const auto expected = Take(&one, 2);
  EXPECT_EQ(Take(&same, 2), expected);
  RunnerOptions options = Options();
  options.seed = 6;
  LayerRunner other_seed(text, {}, options);
  EXPECT_NE(Take(&other_seed, 2), expected);
  LayerRunner other_name("name: 'another' " + text.substr(text.find("type")), {}, Options());
  EXPECT_NE(Take(&other_name, 2), expected);
}

TEST_P(DataLayerTest, TwoNetsReadOneDatabase) {
  for (const char* database : {"lmdb", "leveldb"}) {
    LayerRunner train(Text("batch_size: 3 shuffle: true", "", database), {}, Options());
    LayerRunner test(Text("batch_size: 2", "", database), {}, Options());
    for (int k = 0; k < 5; ++k) {
      train.Forward();
      test.Forward();
      EXPECT_EQ(test.Top(1)[0], 2 * k);
    }
  }
}

TEST_P(DataLayerTest, DecodesImages) {
  std::vector<uint8_t> file;
  cv::imencode(".png", cv::Mat(2, 2, CV_8UC1, cv::Scalar(9)), file);
  proto::Datum image;
  image.set_data(file.data(), file.size());
  image.set_encoded(true);
  WriteDatums(Backend::kLmdb, temp_ / "images", {image});
  LayerRunner stored(Text("batch_size: 2", "", "images"), {}, Options());
  EXPECT_EQ(stored.top_shape(0), (Shape{2, 1, 2, 2}));
  for (const char* option : {"transform_param { force_color: true }", ""}) {
    const std::string old = *option != '\0' ? "" : " force_encoded_color: true";
    LayerRunner color(Text("batch_size: 2" + old, option, "images"), {}, Options());
    EXPECT_EQ(color.top_shape(0), (Shape{2, 3, 2, 2}));
    color.Forward();
    EXPECT_EQ(color.Top(0), std::vector<double>(24, 9));
  }
}

TEST_P(DataLayerTest, ErrorsOfTheThreadsComeToForward) {
  std::vector<proto::Datum> datums;
  for (int i = 0; i < 6; ++i) datums.push_back(TestDatum(i, 1, 2, i == 5 ? 3 : 2));
  WriteDatums(Backend::kLmdb, temp_ / "odd", datums);
  LayerRunner runner(Text("batch_size: 2", "", "odd"), {}, Options());
  runner.Forward();
  runner.Forward();
  ExpectError([&] { runner.Forward(); }, {"layer 'data' (Data)", "odd", "record 5", "1 x 2 x 3"});
}

TEST_P(DataLayerTest, BadOptionsAreErrors) {
  const auto fails = [&](const std::string& text, const std::vector<std::string>& parts) {
    ExpectError([&] { LayerRunner(text, {}, Options()); }, {"layer 'data' (Data)"});
    ExpectError([&] { LayerRunner(text, {}, Options()); }, parts);
  };
  fails("name: 'data' type: 'Data' data_param { batch_size: 1 }", {"source"});
  fails(Text(""), {"batch_size"});
  fails(Text("batch_size: 4000000000"), {"batch_size"});
  fails(Text("batch_size: 1", "", "none"), {"none", "no such folder"});
  fails("name: 'data' type: 'Data' data_param { batch_size: 1 source: '" + (temp_ / "lmdb") + "' }",
        {"is an LMDB", "backend: LMDB"});
  fails(Text("batch_size: 1", "transform_param { crop_size: 5 }"), {"crop_size is 5", "4 high"});
}

}  // namespace
}  // namespace crema::test
