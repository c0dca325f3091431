// Images come in Caffe's order, treated as the options say.
#include "crema/image.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "base/sanitizers.h"
#include "data/mean.h"
#include "schema/schema_test_util.h"
#include "util/forked_child.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class LoadImageTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string At(const std::string& name) const { return (folder_ / name).string(); }

  // Pixel (x, y) is blue 10 y, green 10 x, red 200 + y.
  static cv::Mat Picture(int height, int width) {
    cv::Mat image(height, width, CV_8UC3);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        image.at<cv::Vec3b>(y, x) =
            cv::Vec3b(static_cast<uint8_t>(10 * y), static_cast<uint8_t>(10 * x),
                      static_cast<uint8_t>(200 + y));
      }
    }
    return image;
  }

  std::string Write(const cv::Mat& image, const std::string& name = "a.png") const {
    EXPECT_TRUE(cv::imwrite(At(name), image));
    return At(name);
  }

  // Channel by channel.
  static std::vector<float> Planes(const cv::Mat& image) {
    std::vector<float> values;
    for (int c = 0; c < image.channels(); ++c) {
      for (int y = 0; y < image.rows; ++y) {
        for (int x = 0; x < image.cols; ++x) {
          values.push_back(image.ptr<uint8_t>(y)[x * image.channels() + c]);
        }
      }
    }
    return values;
  }

  std::filesystem::path folder_;
};

TEST_F(LoadImageTest, GivesBlueGreenRedRowByRow) {
  const LoadedImage image = LoadImage(Write(Picture(2, 3)));
  EXPECT_EQ(image.shape, (Shape{1, 3, 2, 3}));
  EXPECT_EQ(image.values, (std::vector<float>{0, 0, 0, 10, 10, 10,   // blue
                                              0, 10, 20, 0, 10, 20,  // green
                                              200, 200, 200, 201, 201, 201}));
  EXPECT_EQ(image.flaw, "");
}

TEST_F(LoadImageTest, ResizesAsCaffeDoes) {
  const cv::Mat picture = Picture(9, 13);
  ImageOptions options;
  options.height = 5;
  options.width = 7;
  cv::Mat resized;
  cv::resize(picture, resized, cv::Size(7, 5));
  const LoadedImage image = LoadImage(Write(picture), options);
  EXPECT_EQ(image.shape, (Shape{1, 3, 5, 7}));
  EXPECT_EQ(image.values, Planes(resized));
}

TEST_F(LoadImageTest, TakesTheMiddle) {
  const cv::Mat picture = Picture(7, 10);
  ImageOptions options;
  options.crop = 4;
  const LoadedImage image = LoadImage(Write(picture), options);
  EXPECT_EQ(image.shape, (Shape{1, 3, 4, 4}));
  EXPECT_EQ(image.values, Planes(picture(cv::Rect(3, 1, 4, 4)).clone()));
}

TEST_F(LoadImageTest, GreyIsOneChannel) {
  cv::Mat grey;
  cv::cvtColor(Picture(3, 4), grey, cv::COLOR_BGR2GRAY);
  ImageOptions options;
  options.color = false;
  const LoadedImage image = LoadImage(Write(grey), options);
  EXPECT_EQ(image.shape, (Shape{1, 1, 3, 4}));
  EXPECT_EQ(image.values, Planes(grey));
  EXPECT_EQ(LoadImage(At("a.png")).shape, (Shape{1, 3, 3, 4}));  // whatever the file has
}

TEST_F(LoadImageTest, SubtractsMeanValuesAndScales) {
  const std::string path = Write(Picture(2, 2));
  ImageOptions options;
  options.mean_values = {1, 2, 3};
  options.scale = 0.5F;
  EXPECT_EQ(LoadImage(path, options).values,
            (std::vector<float>{-0.5, -0.5, 4.5, 4.5, -1, 4, -1, 4, 98.5, 98.5, 99, 99}));
  options.mean_values = {100};
  options.scale = 1;
  EXPECT_EQ(LoadImage(path, options).values[0], -100);
}

TEST_F(LoadImageTest, SubtractsAMeanImage) {
  MeanImage mean;
  mean.records = 1;
  mean.size = {3, 3, 3};
  for (int i = 0; i < 27; ++i) mean.values.push_back(static_cast<float>(i));
  WriteMeanFile(mean, At("mean.binaryproto"));
  const cv::Mat picture = Picture(3, 3);
  ImageOptions options;
  options.mean_file = At("mean.binaryproto");
  options.crop = 1;
  const std::vector<float> all = Planes(picture);
  EXPECT_EQ(LoadImage(Write(picture), options).values,
            (std::vector<float>{all[4] - 4, all[13] - 13, all[22] - 22}));
  ExpectError([&] { LoadImage(Write(Picture(3, 4), "b.png"), options); },
              {"mean.binaryproto is 3 high and 3 wide", "b.png is 3 high and 4 wide",
               "ImageOptions::height to 3 and width to 3"});
  options.color = false;
  ExpectError([&] { LoadImage(Write(picture), options); },
              {"has 3 channels", "loaded with 1", "ImageOptions::color to true"});
  options.color = true;
  options.mean_file = At("none.binaryproto");
  ExpectError([&] { ImageLoader loader(options); }, {"none.binaryproto", "No such file"});
}

TEST_F(LoadImageTest, FilesThatAreWrong) {
  ExpectError([&] { LoadImage(At("none.png")); }, {"none.png", "No such file"});
  ExpectError([&] { LoadImage(folder_.string()); }, {folder_.string()});
  const std::string text = WriteTestFile(At("text.png"), "no image");
  ExpectError([&] { LoadImage(text); }, {"cannot decode the image", "text.png", "8 bytes"});
  ImageOptions options;
  options.crop = 5;
  ExpectError([&] { LoadImage(Write(Picture(4, 9)), options); },
              {"a.png is 4 high and 9 wide", "ImageOptions::crop (5)"});
}

TEST_F(LoadImageTest, OptionsThatAreWrong) {
  const auto with = [](const std::function<void(ImageOptions*)>& change) {
    ImageOptions options;
    change(&options);
    ImageLoader loader(options);
  };
  ExpectError([&] { with([](ImageOptions* o) { o->height = 5; }); }, {"height is 5", "width is 0"});
  ExpectError([&] { with([](ImageOptions* o) { o->crop = -1; }); }, {"crop is -1"});
  ExpectError([&] { with([](ImageOptions* o) { o->scale = 0; }); }, {"scale is 0"});
  ExpectError([&] { with([](ImageOptions* o) { o->width = 1 << 20; }); }, {"width is 1048576"});
  ExpectError([&] { with([](ImageOptions* o) {
                      o->mean_values = {1, NAN, 1};
                    }); },
              {"mean_values has nan, but each must be a finite number"});
  ExpectError(
      [&] {
        with([](ImageOptions* o) {
          o->mean_values = {1};
          o->mean_file = "mean.binaryproto";
        });
      },
      {"both mean_values and a mean_file"});
  ImageOptions options;
  options.mean_values = {1, 2};
  ExpectError([&] { LoadImage(Write(Picture(2, 2)), options); },
              {"mean_values has 2 numbers", "3 channels"});
}

// A damaged photograph is better than none, but who loads it may want to know. Nothing is logged.
TEST_F(LoadImageTest, ATruncatedJpegHasAFlaw) {
  cv::Mat noise(64, 48, CV_8UC3);
  cv::randu(noise, 0, 255);
  Write(noise, "whole.jpg");
  const std::string bytes = ReadTestFile(At("whole.jpg"));
  WriteTestFile(At("cut.jpg"), bytes.substr(0, bytes.size() / 2));
  testing::internal::CaptureStderr();
  const LoadedImage image = LoadImage(At("cut.jpg"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_NE(image.flaw.find("truncated"), std::string::npos) << image.flaw;
  EXPECT_EQ(image.shape, (Shape{1, 3, 64, 48}));
  EXPECT_EQ(LoadImage(At("whole.jpg")).flaw, "");
}

// Neither OpenCV's exceptions nor the standard library's.
TEST_F(LoadImageTest, MemoryThatRunsOutIsAnError) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer needs all addresses";
  const std::string path = Write(Picture(4, 4));
  for (int side : {1 << 16, 1 << 12}) {  // 12 GB of bytes; 50 MB of bytes, but 200 MB of numbers
    const int status = StatusOfChild([&] {
      int64_t pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      const auto now = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
      const rlimit limit = {now + (rlim_t{150} << 20), RLIM_INFINITY};
      if (pages == 0 || setrlimit(RLIMIT_AS, &limit) != 0) return 2;
      ImageOptions options;
      options.height = options.width = side;
      const std::string error = ErrorOf([&] { LoadImage(path, options); });
      return error.find("a.png") != std::string::npos &&
                     error.find("use a smaller size") != std::string::npos
                 ? 0
                 : 1;
    });
    EXPECT_EQ(status, 0) << side;
  }
}

TEST_F(LoadImageTest, ALoaderServesSeveralThreads) {
  const std::string path = Write(Picture(40, 30));
  ImageOptions options;
  options.height = options.width = 20;
  const ImageLoader loader(options);
  const std::vector<float> expected = loader.Load(path).values;
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& result : results) {
    threads.emplace_back([&] { result = loader.Load(path).values; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace crema::test
