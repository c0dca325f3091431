#include "data/image_header.h"

#include <gmock/gmock.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

namespace crema {
namespace {

using testing::HasSubstr;

std::string Encode(const std::string& kind, int height, int width) {
  const cv::Mat image(height, width, CV_8UC3, cv::Scalar(3, 3, 3));
  std::vector<unsigned char> bytes;
  EXPECT_TRUE(cv::imencode(kind, image, bytes)) << kind;
  return std::string(bytes.begin(), bytes.end());
}

// One colour is the most that compression can gain.
TEST(ImplausibleSize, BelievesWhatIsTrue) {
  for (const std::string kind : {".png", ".jpg", ".bmp", ".ppm", ".tiff", ".webp"}) {
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

}  // namespace
}  // namespace crema
