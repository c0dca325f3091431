#include "data/datum.h"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/databases.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

Record RecordOf(const proto::Datum& datum) {
  Record record;
  record.number = 3;
  record.key = "key3";
  record.value = datum.SerializeAsString();
  return record;
}

// A PNG is exact. Pixel (y, x), channel c is 40 * c + 10 * y + x.
proto::Datum EncodedDatum(int type, int height = 2, int width = 3, const char* format = ".png") {
  cv::Mat image(height, width, type);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < image.channels(); ++c) {
        image.ptr(y)[x * image.channels() + c] = static_cast<uint8_t>(40 * c + 10 * y + x);
      }
    }
  }
  std::vector<uint8_t> file;
  cv::imencode(format, image, file);
  proto::Datum datum;
  datum.set_data(file.data(), file.size());
  datum.set_encoded(true);
  datum.set_label(5);
  return datum;
}

DatumDecoder Decoder(ColorMode color = ColorMode::kAsStored) {
  return DatumDecoder(color, "LMDB 'x'");
}

TEST(DatumDecoderTest, ReadsBytes) {
  DatumDecoder decoder = Decoder();
  const proto::Datum datum = TestDatum(9, 2, 3, 4);
  const Image& image = decoder.Decode(RecordOf(datum));
  EXPECT_EQ(image.size.ToString(), "2 x 3 x 4");
  EXPECT_EQ(image.label, 9);
  EXPECT_EQ(image.floats, nullptr);
  EXPECT_FALSE(image.interleaved);
  EXPECT_FALSE(decoder.was_encoded());
  for (int p = 0; p < 24; ++p) EXPECT_EQ(image.bytes[p], (63 + 3 * p) % 256);
}

TEST(DatumDecoderTest, ReadsFloats) {
  proto::Datum datum = TestDatum(-4, 1, 1, 2);
  datum.clear_data();
  datum.add_float_data(-1.5f);
  datum.add_float_data(1e9f);
  DatumDecoder decoder = Decoder();
  decoder.Decode(RecordOf(TestDatum(1, 1, 1, 1)));  // leaves no traces
  const Image& image = decoder.Decode(RecordOf(datum));
  EXPECT_EQ(image.label, -4);
  EXPECT_EQ(image.bytes, nullptr);
  EXPECT_EQ(image.floats[0], -1.5f);
  EXPECT_EQ(image.floats[1], 1e9f);
}

TEST(DatumDecoderTest, DecodesImagesAsStored) {
  DatumDecoder decoder = Decoder();
  const Image& image = decoder.Decode(RecordOf(EncodedDatum(CV_8UC3)));
  EXPECT_EQ(image.size.ToString(), "3 x 2 x 3");
  EXPECT_TRUE(image.interleaved);
  EXPECT_TRUE(decoder.was_encoded());
  EXPECT_EQ(image.label, 5);
  for (int p = 0; p < 6; ++p) {
    for (int c = 0; c < 3; ++c) EXPECT_EQ(image.bytes[3 * p + c], 40 * c + 10 * (p / 3) + p % 3);
  }
  EXPECT_EQ(decoder.Decode(RecordOf(EncodedDatum(CV_8UC1))).size.ToString(), "1 x 2 x 3");
  EXPECT_EQ(decoder.Decode(RecordOf(EncodedDatum(CV_8UC4))).size.ToString(), "4 x 2 x 3");
}

TEST(DatumDecoderTest, ForcesColourAndGrey) {
  DatumDecoder color = Decoder(ColorMode::kColor), gray = Decoder(ColorMode::kGray);
  const Image& three = color.Decode(RecordOf(EncodedDatum(CV_8UC1)));
  EXPECT_EQ(three.size.ToString(), "3 x 2 x 3");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(three.bytes[3 * 5 + i], 12);
  const Image& one = gray.Decode(RecordOf(EncodedDatum(CV_8UC3)));
  EXPECT_EQ(one.size.ToString(), "1 x 2 x 3");
  EXPECT_FALSE(one.interleaved);
  // 0.114 * 0 + 0.587 * 40 + 0.299 * 80 = 47.4 at the first pixel
  EXPECT_EQ(one.bytes[0], 47);
}

TEST(DatumDecoderTest, ErrorsNameTheRecordAndWhatIsWrong) {
  DatumDecoder decoder = Decoder();
  const auto fails = [&](const proto::Datum& datum, const std::vector<std::string>& parts) {
    ExpectError([&] { decoder.Decode(RecordOf(datum)); }, {"LMDB 'x': record 3 (key 'key3')"});
    ExpectError([&] { decoder.Decode(RecordOf(datum)); }, parts);
  };
  proto::Datum datum = TestDatum(1, 3, 4, 5);
  datum.mutable_data()->pop_back();
  fails(datum, {"59 bytes", "3 x 4 x 5"});
  datum.mutable_data()->append("xy");
  fails(datum, {"61 bytes"});
  datum.clear_data();
  fails(datum, {"0 floats", "3 x 4 x 5"});
  datum.add_float_data(1);
  fails(datum, {"1 floats"});
  datum.set_height(0);
  fails(datum, {"3 x 0 x 5", "at least 1"});
  // A product that does not fit in 64 bits: 2^31 * 2^31 * 4 = 2^64.
  datum = TestDatum(1, 1, 1, 1);
  datum.set_channels(1 << 30);
  datum.set_height(1 << 30);
  datum.set_width(16);
  datum.clear_data();
  fails(datum, {"0 floats"});
}

TEST(DatumDecoderTest, DamagedImagesAreErrors) {
  DatumDecoder decoder = Decoder();
  const auto fails = [&](const proto::Datum& datum, const std::vector<std::string>& parts) {
    ExpectError([&] { decoder.Decode(RecordOf(datum)); }, parts);
  };
  proto::Datum datum = EncodedDatum(CV_8UC3);
  datum.mutable_data()->resize(12);
  fails(datum, {"record 3", "could not be decoded"});
  datum.set_data("");
  fails(datum, {"record 3", "no data"});
  datum.set_data("\x89PNG and then nothing of the kind");
  fails(datum, {"could not be decoded"});
  // A PNG that says it is 2^31 - 1 pixels wide and high.
  datum = EncodedDatum(CV_8UC1);
  datum.mutable_data()->replace(16, 8, std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8));
  fails(datum, {"record 3", "its header claims", "bytes can hold"});
  const cv::Mat deep(2, 2, CV_16UC1, cv::Scalar(1000));
  std::vector<uint8_t> file;
  cv::imencode(".png", deep, file);
  datum.set_data(file.data(), file.size());
  fails(datum, {"not bytes", "force_gray"});
}

TEST(DatumDecoderTest, TruncatedJpegsAreTold) {
  cv::Mat ramp(16, 24, CV_8UC3);
  for (int i = 0; i < 16 * 24 * 3; ++i) ramp.data[i] = static_cast<uint8_t>(i / 5);
  std::vector<uint8_t> file;
  cv::imencode(".jpg", ramp, file);
  proto::Datum datum;
  datum.set_encoded(true);
  datum.set_data(file.data(), file.size() - 1);
  LogCapture log;
  DatumDecoder decoder = Decoder();
  decoder.Decode(RecordOf(datum));
  const Image& image = decoder.Decode(RecordOf(datum));
  const cv::Mat whole = cv::imdecode(file, cv::IMREAD_COLOR);
  EXPECT_TRUE(std::equal(whole.datastart, whole.dataend, image.bytes));
  EXPECT_EQ(log.With("record 3 (key 'key3') holds an image that is truncated").size(), 1u);
}

TEST(DatumDecoderTest, WhatIsNotADatumIsAnError) {
  DatumDecoder decoder = Decoder();
  Record record;
  record.value = "\x07\xff\xff";
  record.key = std::string("a\x01\n", 3) + std::string(100, 'k');
  ExpectError([&] { decoder.Decode(record); },
              {"record 0 (key 'a\\x01\\x0akkk", "...')", "not a Datum"});
  record.value = "";  // a message without fields
  ExpectError([&] { decoder.Decode(record); }, {"0 x 0 x 0"});
}

}  // namespace
}  // namespace crema::test
