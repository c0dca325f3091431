#include "data/mean.h"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/databases.h"
#include "schema/weights_io.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

using MeanTest = BothBackends;
CREMA_ON_BOTH_BACKENDS(MeanTest);

TEST_P(MeanTest, OfBytes) {
  WriteTestDatabase(backend(), temp_ / "db", 40, 2, 3, 4);
  const MeanImage mean = ComputeMean(backend(), temp_ / "db");
  EXPECT_EQ(mean.records, 40u);
  EXPECT_EQ(mean.size.ToString(), "2 x 3 x 4");
  for (int p = 0; p < 24; ++p) {
    double sum = 0;
    for (int i = 0; i < 40; ++i) sum += (7 * i + 3 * p) % 256;
    EXPECT_EQ(mean.values[p], static_cast<float>(sum / 40));
  }
  for (int c = 0; c < 2; ++c) {
    double sum = 0;
    for (int p = 0; p < 12; ++p) sum += mean.values[12 * c + p];
    EXPECT_FLOAT_EQ(mean.channels[c], static_cast<float>(sum / 12));
  }
}

TEST_P(MeanTest, OfFloatsAndImages) {
  proto::Datum floats = TestDatum(0, 1, 1, 2);
  floats.clear_data();
  floats.add_float_data(1);
  floats.add_float_data(-8);
  WriteDatums(backend(), temp_ / "db", {floats, TestDatum(1, 1, 1, 2)});  // bytes 7, 10
  EXPECT_EQ(ComputeMean(backend(), temp_ / "db").values, (std::vector<float>{4, 1}));

  std::vector<uint8_t> file;
  cv::imencode(".png", cv::Mat(2, 2, CV_8UC3, cv::Scalar(10, 20, 30)), file);
  proto::Datum image;
  image.set_data(file.data(), file.size());
  image.set_encoded(true);
  WriteDatums(backend(), temp_ / "images", {image});
  const MeanImage mean = ComputeMean(backend(), temp_ / "images");
  EXPECT_EQ(mean.values, (std::vector<float>{10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30}));
  EXPECT_EQ(mean.channels, (std::vector<float>{10, 20, 30}));
}

TEST_P(MeanTest, TheFileIsThatOfCaffesTool) {
  WriteTestDatabase(backend(), temp_ / "db", 3, 2, 3, 4);
  const MeanImage mean = ComputeMean(backend(), temp_ / "db");
  WriteMeanFile(mean, temp_ / "mean.binaryproto");
  proto::BlobProto blob;
  ASSERT_TRUE(blob.ParseFromString(ReadAll(temp_ / "mean.binaryproto")));
  EXPECT_EQ(blob.num(), 1);
  EXPECT_EQ(blob.channels(), 2);
  EXPECT_EQ(blob.height(), 3);
  EXPECT_EQ(blob.width(), 4);
  EXPECT_FALSE(blob.has_shape());
  EXPECT_EQ(ReadMeanFile(temp_ / "mean.binaryproto").data, mean.values);
}

TEST_P(MeanTest, RecordsMustBeOfOneSize) {
  WriteDatums(backend(), temp_ / "db", {TestDatum(0, 1, 2, 3), TestDatum(1, 1, 3, 2)});
  ExpectError([&] { ComputeMean(backend(), temp_ / "db"); },
              {"record 1", "1 x 3 x 2", "1 x 2 x 3", "--resize_height"});
}

}  // namespace
}  // namespace crema::test
