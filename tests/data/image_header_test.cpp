#include "data/image_header.h"

#include <gmock/gmock.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/decode_image.h"

namespace crema {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Encode(const std::string& kind, int height, int width) {
  const cv::Mat image(height, width, CV_8UC3, cv::Scalar(3, 3, 3));
  std::vector<unsigned char> bytes;
  EXPECT_TRUE(cv::imencode(kind, image, bytes)) << kind;
  return std::string(bytes.begin(), bytes.end());
}

// One colour is the most that compression can gain.
TEST(ImplausibleSize, BelievesWhatIsTrue) {
  for (const std::string kind : {".png", ".jpg", ".bmp", ".ppm", ".tiff", ".webp", ".ras"}) {
    EXPECT_EQ(ImplausibleSize(Encode(kind, 1500, 2000)), "") << kind;
    EXPECT_EQ(ImplausibleSize(Encode(kind, 1, 1)), "") << kind;
  }
  EXPECT_EQ(ImplausibleSize("P4 # 9 9\n8 2 ??"), "");  // a comment; one bit a pixel
  EXPECT_EQ(ImplausibleSize(""), "");
  EXPECT_EQ(ImplausibleSize("no image"), "");
}

// Where the size stands in each kind: four or two bytes, big- or little-endian.
TEST(ImplausibleSize, DoubtsWhatCannotBe) {
  const auto with = [](const std::string& kind, size_t at, const std::string& bytes) {
    return ImplausibleSize(Encode(kind, 16, 16).replace(at, bytes.size(), bytes));
  };
  EXPECT_THAT(with(".png", 16, std::string("\0\0\xEA\x60\0\0\xEA\x60", 8)),
              HasSubstr("its header claims 60000 x 60000 pixels, far more than "));
  EXPECT_THAT(with(".bmp", 18, std::string("\0\1\0\0\0\1\0\0", 8)), HasSubstr("256 x 256 pixels"));
  EXPECT_THAT(with(".bmp", 18, std::string("\0\1\0\0\0\xFF\xFF\xFF", 8)),
              HasSubstr("256 x 256 pixels"));  // rows from the top
  const std::string jpeg = Encode(".jpg", 16, 16);
  const size_t frame = jpeg.find(std::string("\xFF\xC0\x00", 3));
  ASSERT_NE(frame, std::string::npos);
  EXPECT_THAT(with(".jpg", frame + 5, "\xEA\x60\xEA\x60"), HasSubstr("60000 x 60000 pixels"));
  EXPECT_THAT(with(".ppm", 3, "99 99"), HasSubstr("99 x 99 pixels"));
  EXPECT_THAT(with(".ras", 4, std::string("\0\1\0\0\0\1\0\0", 8)), HasSubstr("65536 x 65536"));
  // Webp: its greatest size, 16384 x 16384.
  std::string webp = Encode(".webp", 16, 16);
  const bool plain = webp.substr(12, 4) == "VP8 ";
  webp.replace(plain ? 26 : 21, 4, plain ? "\xFF\x3F\xFF\x3F" : "\xFF\xFF\xFF\x0F");
  EXPECT_THAT(ImplausibleSize(webp), HasSubstr("pixels, far more")) << webp.substr(12, 4);
}

TEST(ImplausibleSize, ReadsTiffOfBothOrders) {
  // A directory at 8 with two entries: width and height of 1 million each.
  const std::string little(
      "II*\0\x08\0\0\0\x02\0\0\x01\x04\0\x01\0\0\0\x40\x42\x0F\0"
      "\x01\x01\x04\0\x01\0\0\0\x40\x42\x0F\0",
      34);
  const std::string big(
      "MM\0*\0\0\0\x08\0\x02\x01\0\0\x04\0\0\0\x01\0\x0F\x42\x40"
      "\x01\x01\0\x04\0\0\0\x01\0\x0F\x42\x40",
      34);
  EXPECT_THAT(ImplausibleSize(little), HasSubstr("1e+06 x 1e+06 pixels"));
  EXPECT_THAT(ImplausibleSize(big), HasSubstr("1e+06 x 1e+06 pixels"));
}

std::string LittleEndian(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 255);
  return text;
}

struct TiffEntry {
  uint32_t tag, value;
  uint32_t type = 4, count = 1;
};

std::string Tiff(const std::vector<TiffEntry>& entries, size_t size = 0) {
  std::string file = "II*" + LittleEndian(0, 1) + LittleEndian(8, 4);
  file += LittleEndian(static_cast<uint32_t>(entries.size()), 2);
  for (const TiffEntry& entry : entries) {
    file += LittleEndian(entry.tag, 2) + LittleEndian(entry.type, 2) +
            LittleEndian(entry.count, 4) + LittleEndian(entry.value, 4);
  }
  return file + LittleEndian(0, 4) + std::string(size, 'x');
}

// Each of them is what a decoder takes memory for.
TEST(ImplausibleSize, LooksAtAllSizesOfATiff) {
  const TiffEntry width = {256, 100}, height = {257, 100};
  EXPECT_EQ(ImplausibleSize(Tiff({width, height}, 10000)), "");
  const TiffEntry bits = {258, 64}, samples = {277, 4};
  EXPECT_THAT(ImplausibleSize(Tiff({width, height, bits, samples}, 10000)),
              HasSubstr("100 x 100 pixels"));
  EXPECT_THAT(ImplausibleSize(Tiff({width, height, {322, 30000}, {323, 30000}}, 10000)),
              HasSubstr("30000 x 30000 pixels"));
  EXPECT_EQ(ImplausibleSize(Tiff({width, height, {278, 1 << 24}}, 10000)), "");
  EXPECT_EQ(ImplausibleSize(Tiff({width, height, {278, 0xFFFFFFFF}}, 10000)), "");  // all
  // Fax: a row of any width may take one bit, so the limit is on what comes of it.
  EXPECT_EQ(ImplausibleSize(Tiff({{256, 4000}, {257, 4000}, {259, 4}})), "");
  EXPECT_THAT(ImplausibleSize(Tiff({{256, 40000}, {257, 40000}, {259, 4}})), HasSubstr("40000"));
  // The larger of two counts; a size elsewhere, or of another type, is none.
  EXPECT_THAT(ImplausibleSize(Tiff({width, {256, 1 << 20}, height}, 10000)), HasSubstr("x 100"));
  EXPECT_THAT(ImplausibleSize(Tiff({{256, 8, 16}, height}, 10000)), HasSubstr("is not clear"));
  EXPECT_THAT(ImplausibleSize(Tiff({{256, 8, 4, 2}, height}, 10000)), HasSubstr("is not clear"));
}

// Some writers say "all rows" so.
TEST(ImplausibleSize, BelievesStripsLargerThanTheImage) {
  const cv::Mat image(38, 20, CV_8UC1, cv::Scalar(7));
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(cv::imencode(".tiff", image, bytes, {cv::IMWRITE_TIFF_COMPRESSION, 1}));
  std::string file(bytes.begin(), bytes.end());
  const std::string entry = LittleEndian(278, 2);
  const size_t at = file.rfind(entry + LittleEndian(3, 2) + LittleEndian(1, 4));
  ASSERT_NE(at, std::string::npos);
  file.replace(at + 8, 2, LittleEndian(60000, 2));
  EXPECT_EQ(ImplausibleSize(file), "");
  const std::string corrected = WithRowsThatFit(file);
  EXPECT_EQ(corrected.substr(at + 8, 2), LittleEndian(38, 2));
  EXPECT_EQ(WithRowsThatFit(corrected), "");
  DecodeReport report;
  EXPECT_EQ(cv::countNonZero(DecodeImage(file, cv::IMREAD_GRAYSCALE, &report) != image), 0);
  EXPECT_EQ(report.problem, "");
}

// Decoders end comments and numbers so, and would find 60000 x 60000 pixels.
TEST(ImplausibleSize, ReadsTextsAsDecodersDo) {
  EXPECT_THAT(ImplausibleSize("P6 #\r60000 60000 255\n1 1 "), HasSubstr("60000 x 60000"));
  for (const char* file : {"P6 60000x60000 1 1 ", "P6 1#\n60000 60000 ", "P6 -60000 60000 "}) {
    EXPECT_THAT(ImplausibleSize(file), HasSubstr("is not clear")) << file;
  }
  const std::string no_chunk = "RIFF----WEBP" + std::string("\x2f\xff\xff\xff\xff", 5);
  EXPECT_THAT(ImplausibleSize(no_chunk), HasSubstr("is not clear"));
}

// All that any OpenCV has a decoder for.
TEST(UnreadKind, NamesWhatIsNotRead) {
  const std::string box("\0\0\0\x0c", 4), end("\r\n\x87\n", 4);
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {box + "jP  " + end, "a JPEG 2000 image"},
      {"\xff\x4f\xff\x51", "a JPEG 2000 image"},
      {box + "JXL " + end, "a JPEG XL image"},
      {"\xff\x0a", "a JPEG XL image"},
      {box + "ftypavif", "an AVIF or HEIF image or a video"},
      {"GIF89a", "a GIF image"},
      {"\x76\x2f\x31\x01", "an OpenEXR image"},
      {"#?RADIANCE\n", "a Radiance (HDR) image"},
      {"#?RGBE\n", "a Radiance (HDR) image"},
      {"P7\nWIDTH 1", "a PAM image"},
      {"PF\n1 1", "a PFM image"},
      {"Pf\n1 1", "a PFM image"},
      {std::string("II+\0", 4), "a BigTIFF image"},
      {std::string("MM\0+", 4), "a BigTIFF image"},
      {"NITF02.10", "a NITF image"},
      {std::string(128, '\0') + "DICM", "a DICOM image"},
  };
  for (const auto& [file, name] : kinds) {
    EXPECT_EQ(UnreadKind(file), "it is " + name + ", which is not read; convert it to PNG");
  }
  EXPECT_THAT(UnreadKind("no image"),
              StartsWith("its 8 bytes could not be decoded; they do not begin as those of a JPEG"));
}

TEST(UnreadKind, KnowsWhatIsRead) {
  for (const std::string kind : {".png", ".jpg", ".bmp", ".ppm", ".tiff", ".webp", ".ras"}) {
    EXPECT_EQ(UnreadKind(Encode(kind, 4, 4)), "") << kind;
  }
  for (const std::string kind : {".jp2", ".hdr"}) {
    if (!cv::haveImageWriter("x" + kind)) continue;
    EXPECT_THAT(UnreadKind(Encode(kind, 64, 64)), HasSubstr("which is not read")) << kind;
  }
}

}  // namespace
}  // namespace crema
