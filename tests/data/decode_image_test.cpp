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
  std::string problem = "something";
  const cv::Mat image = DecodeImage(Png(), cv::IMREAD_COLOR, &problem);
  EXPECT_EQ(problem, "");
  ASSERT_EQ(image.size(), cv::Size(5, 3));
  EXPECT_EQ(image.at<cv::Vec3b>(2, 4), cv::Vec3b(1, 2, 3));
  EXPECT_EQ(DecodeImage(Png(), cv::IMREAD_GRAYSCALE, &problem).channels(), 1);
}

TEST(DecodeImage, SaysWhatIsWrong) {
  const auto problem_of = [](const std::string& file) {
    std::string problem;
    EXPECT_TRUE(DecodeImage(file, cv::IMREAD_COLOR, &problem).empty());
    return problem;
  };
  EXPECT_THAT(problem_of(""), HasSubstr("its 0 bytes could not be decoded"));
  EXPECT_THAT(problem_of("no image"), HasSubstr("its 8 bytes could not be decoded"));
  EXPECT_THAT(problem_of(Png().replace(16, 8, std::string("\0\0\xEA\x60\0\0\xEA\x60", 8))),
              HasSubstr("its header says 60000 x 60000 pixels"));
}

}  // namespace
}  // namespace crema
