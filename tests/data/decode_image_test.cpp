#include "data/decode_image.h"

#include <gmock/gmock.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

namespace crema {
namespace {

using testing::HasSubstr;

std::string Png() {
  std::vector<unsigned char> bytes;
  EXPECT_TRUE(cv::imencode(".png", cv::Mat(3, 5, CV_8UC3, cv::Scalar(1, 2, 3)), bytes));
  return std::string(bytes.begin(), bytes.end());
}

TEST(DecodeImage, GivesThePixels) {
  DecodeReport report;
  report.problem = "something";
  const cv::Mat image = DecodeImage(Png(), cv::IMREAD_COLOR, &report);
  EXPECT_EQ(report.problem, "");
  ASSERT_EQ(image.size(), cv::Size(5, 3));
  EXPECT_EQ(image.at<cv::Vec3b>(2, 4), cv::Vec3b(1, 2, 3));
  EXPECT_EQ(DecodeImage(Png(), cv::IMREAD_GRAYSCALE, &report).channels(), 1);
}

TEST(DecodeImage, SaysWhatIsWrong) {
  const auto problem_of = [](const std::string& file) {
    DecodeReport report;
    EXPECT_TRUE(DecodeImage(file, cv::IMREAD_COLOR, &report).empty());
    return report.problem;
  };
  EXPECT_EQ(problem_of(""), "it is empty; put an image in its place");
  EXPECT_THAT(problem_of("no image"), HasSubstr("its 8 bytes could not be decoded"));
  EXPECT_THAT(problem_of(Png().replace(16, 8, std::string("\0\0\xEA\x60\0\0\xEA\x60", 8))),
              HasSubstr("its header claims 60000 x 60000 pixels"));
}

// Only JPEGs can be read in part; nothing else is ever given for a truncated file.
TEST(DecodeImage, TruncatedFilesOfOtherKindsAreErrors) {
  cv::Mat image(40, 50, CV_8UC3);
  cv::randu(image, 0, 255);
  for (const char* type : {".png", ".bmp", ".tiff", ".webp", ".ppm"}) {
    std::vector<unsigned char> bytes;
    ASSERT_TRUE(cv::imencode(type, image, bytes));
    for (size_t cut : {size_t{1}, size_t{5}, bytes.size() / 10, bytes.size() / 2}) {
      DecodeReport report;
      const std::string part(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(cut));
      EXPECT_TRUE(DecodeImage(part, cv::IMREAD_COLOR, &report).empty()) << type << " " << cut;
      EXPECT_NE(report.problem, "");
    }
  }
}

}  // namespace
}  // namespace crema
