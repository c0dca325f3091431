#include "data/jpeg.h"

#include <gmock/gmock.h>
#include <jpeglib.h>

#include <cstdio>
#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/databases.h"

namespace crema::test {
namespace {

using testing::HasSubstr;

// Smooth, but with some noise; rows differ.
cv::Mat Picture(int height, int width, int type = CV_8UC3) {
  cv::Mat image(height, width, type);
  cv::RNG random(7);
  for (int y = 0; y < height; ++y) {
    for (int i = 0; i < width * image.channels(); ++i) {
      image.ptr<uint8_t>(y)[i] = static_cast<uint8_t>(2 * y + i + random.uniform(0, 20));
    }
  }
  return image;
}

std::string Jpeg(const cv::Mat& image, const std::vector<int>& options = {}) {
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(cv::imencode(".jpg", image, bytes, options));
  return std::string(bytes.begin(), bytes.end());
}

// Compresses an image with settings that have been made, and ends the compression.
void WriteRows(jpeg_compress_struct* info, const cv::Mat& image) {
  jpeg_start_compress(info, TRUE);
  for (int y = 0; y < image.rows; ++y) {
    JSAMPROW row = const_cast<uint8_t*>(image.ptr<uint8_t>(y));
    jpeg_write_scanlines(info, &row, 1);
  }
  jpeg_finish_compress(info);
  jpeg_destroy_compress(info);
}

// Frees what jpeg_mem_dest made.
std::string TakeFile(unsigned char* bytes, unsigned long size) {
  const std::string file(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return file;
}

// Four inks, or as luminance, two chrominances and black.
std::string InkJpeg(int height, int width, J_COLOR_SPACE space) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = 4;
  info.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, space);
  WriteRows(&info, Picture(height, width, CV_8UC4));
  return TakeFile(bytes, size);
}

// With the note of how a camera was held, behind the first marker.
std::string WithOrientation(const std::string& file, int orientation, bool little) {
  std::string exif = little ? std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18)
                            : std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01", 18);
  exif += little ? std::string{static_cast<char>(orientation), 0, 0, 0}
                 : std::string{0, static_cast<char>(orientation), 0, 0};
  exif += std::string(4, '\0');
  const std::string body = std::string("Exif\0\0", 6) + exif;
  const std::string marker = std::string("\xff\xe1\0", 3) + static_cast<char>(body.size() + 2);
  return file.substr(0, 2) + marker + body + file.substr(2);
}

cv::Mat ByOpenCv(const std::string& file, int flag) {
  return cv::imdecode(std::vector<uint8_t>(file.begin(), file.end()), flag);
}

bool Equal(const cv::Mat& a, const cv::Mat& b) {
  return a.type() == b.type() && a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

cv::Mat Decode(const std::string& file, DecodeReport* report, int flag = cv::IMREAD_COLOR) {
  return DecodeImage(file, flag, report);
}

void ExpectAsOpenCv(const std::string& file, const std::string& name) {
  for (int flag : {cv::IMREAD_COLOR, cv::IMREAD_GRAYSCALE, cv::IMREAD_UNCHANGED}) {
    DecodeReport report;
    EXPECT_TRUE(Equal(Decode(file, &report, flag), ByOpenCv(file, flag))) << name << " " << flag;
    EXPECT_EQ(report.problem + report.flaw + report.mended, "") << name;
  }
}

TEST(JpegTest, WholeFilesGiveThePixelsOfOpenCv) {
  for (const auto& [height, width] : {std::pair<int, int>{64, 80}, {37, 51}, {1, 1}, {8, 3}}) {
    for (int type : {CV_8UC1, CV_8UC3}) {
      const cv::Mat image = Picture(height, width, type);
      ExpectAsOpenCv(Jpeg(image), "plain");
      ExpectAsOpenCv(Jpeg(image, {cv::IMWRITE_JPEG_PROGRESSIVE, 1}), "progressive");
      ExpectAsOpenCv(Jpeg(image, {cv::IMWRITE_JPEG_RST_INTERVAL, 2}), "restarts");
      ExpectAsOpenCv(Jpeg(image, {cv::IMWRITE_JPEG_QUALITY, 20}), "coarse");
    }
    ExpectAsOpenCv(InkJpeg(height, width, JCS_CMYK), "CMYK");
    ExpectAsOpenCv(InkJpeg(height, width, JCS_YCCK), "YCCK");
  }
}

TEST(JpegTest, TurnsAsTheCameraWasHeld) {
  const std::string file = Jpeg(Picture(24, 40));
  for (int orientation = 0; orientation <= 9; ++orientation) {
    for (bool little : {false, true}) {
      ExpectAsOpenCv(WithOrientation(file, orientation, little), std::to_string(orientation));
    }
  }
  DecodeReport report;
  EXPECT_EQ(Decode(WithOrientation(file, 6, true), &report).size(), cv::Size(24, 40));
  EXPECT_TRUE(report.turns);
}

// The rows above `whole` are those of the whole file, and those from `gray` on are grey.
void ExpectCut(const cv::Mat& found, const cv::Mat& full, int whole, int gray) {
  ASSERT_EQ(found.size(), full.size());
  EXPECT_TRUE(Equal(found.rowRange(0, whole), full.rowRange(0, whole)));
  const cv::Mat rest = found.rowRange(gray, found.rows);
  EXPECT_EQ(cv::norm(rest, cv::Mat(rest.size(), rest.type(), cv::Scalar::all(128)), cv::NORM_INF),
            0);
}

TEST(JpegTest, AMissingEndMarkLosesNothing) {
  for (int type : {CV_8UC1, CV_8UC3}) {
    const std::string file = Jpeg(Picture(64, 80, type));
    for (size_t cut : {1, 2}) {
      DecodeReport report;
      const std::string part = file.substr(0, file.size() - cut);
      EXPECT_TRUE(Equal(Decode(part, &report), ByOpenCv(file, cv::IMREAD_COLOR)));
      EXPECT_EQ(report.flaw, "is truncated; only its end mark is missing, no pixels");
      EXPECT_TRUE(
          Equal(ByOpenCv(report.mended, cv::IMREAD_COLOR), ByOpenCv(file, cv::IMREAD_COLOR)));
    }
  }
}

// Without chrominance between the pixels a block's rows depend on no other block.
TEST(JpegTest, WhatIsMissingIsGrey) {
  const std::string file = Jpeg(Picture(64, 80, CV_8UC1));
  const cv::Mat full = ByOpenCv(file, cv::IMREAD_COLOR);
  DecodeReport report;
  const cv::Mat half = Decode(file.substr(0, file.size() / 2), &report);
  int row = 0;
  ASSERT_EQ(std::sscanf(report.flaw.c_str(), "is truncated in row %d of 64", &row), 1)
      << report.flaw;
  EXPECT_THAT(report.flaw, HasSubstr("the missing part is grey"));
  EXPECT_GT(row, 0);
  EXPECT_LT(row, 56);
  ExpectCut(half, full, row, row + 8);
  EXPECT_EQ(report.problem, "");
  // All of the pixels' data is missing: all is grey but the block that was begun.
  const size_t data = file.find("\xff\xda");
  ExpectCut(Decode(file.substr(0, data + 10), &report), full, 0, 8);
  EXPECT_THAT(report.flaw, HasSubstr("is truncated in row 0 of 64"));
}

// What is given for a truncated file is always the same, and that which Caffe's imread gives.
TEST(JpegTest, TruncatedFilesAreReadAsByCaffe) {
  const TempFolder folder;
  const bool old =  // later versions give nothing, or what the memory held before
      cv::getVersionMajor() == 4 && cv::getVersionMinor() < 10;
  for (const std::vector<int>& options : {std::vector<int>{},
                                          {cv::IMWRITE_JPEG_PROGRESSIVE, 1},
                                          {cv::IMWRITE_JPEG_RST_INTERVAL, 3}}) {
    const std::string file = Jpeg(Picture(48, 64), options);
    for (size_t size = 2; size < file.size(); size += 41) {
      const std::string part = file.substr(0, size);
      DecodeReport report, again;
      const cv::Mat image = Decode(part, &report);
      EXPECT_EQ(image.empty(), !report.problem.empty());
      EXPECT_EQ(image.empty(), report.flaw.empty()) << size;
      EXPECT_TRUE(image.empty() || Equal(Decode(report.mended, &again), image)) << size;
      if (!old) continue;
      WriteAll(folder / "cut.jpg", part);
      const cv::Mat expected = cv::imread(folder / "cut.jpg", cv::IMREAD_COLOR);
      ASSERT_EQ(image.empty(), expected.empty()) << size;
      EXPECT_TRUE(image.empty() || Equal(image, expected)) << size;
    }
  }
}

TEST(JpegTest, SaysWhatIsDamaged) {
  std::string file = Jpeg(Picture(64, 80));
  const size_t data = file.find("\xff\xda");
  for (size_t at = data + 600; at < data + 640; ++at) file[at] = '\x55';
  file.replace(file.size() / 2, 6, "\xff\xd9\xff\xd9\xff\xd9");  // an end in the middle
  DecodeReport report;
  EXPECT_FALSE(Decode(file, &report).empty());
  EXPECT_THAT(report.flaw, HasSubstr("libjpeg says \"Corrupt JPEG data: "));
  EXPECT_EQ(report.mended, "");
  EXPECT_TRUE(Decode("\xff\xd8\xff\xe0 no more", &report).empty());
  EXPECT_THAT(report.problem, HasSubstr("libjpeg says \""));
}

// A progressive file in as many scans as there are bits: `per_coefficient` scans for each.
std::string ManyScans(int coefficients, int per_coefficient) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_height = info.image_width = 16;
  info.input_components = 1;
  info.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  std::vector<jpeg_scan_info> scans = {{1, {0}, 0, 0, 0, 0}};
  for (int c = 1; c <= coefficients; ++c) {
    for (int bit = per_coefficient - 1; bit >= 0; --bit) {
      scans.push_back({1, {0}, c, c, bit == per_coefficient - 1 ? 0 : bit + 1, bit});
    }
  }
  info.scan_info = scans.data();
  info.num_scans = static_cast<int>(scans.size());
  WriteRows(&info, Picture(16, 16, CV_8UC1));
  return TakeFile(bytes, size);
}

// A few bytes a scan, each of which takes as long as the whole image.
TEST(JpegTest, RefusesEndlessScans) {
  DecodeReport report;
  EXPECT_FALSE(DecodeJpeg(ManyScans(63, 1), cv::IMREAD_COLOR, &report).empty());
  EXPECT_EQ(report.problem, "");
  EXPECT_TRUE(DecodeJpeg(ManyScans(63, 4), cv::IMREAD_COLOR, &report).empty());
  EXPECT_EQ(report.problem, "it has more than 100 scans; the image file is damaged");
}

}  // namespace
}  // namespace crema::test
