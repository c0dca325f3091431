#include <gtest/gtest.h>

#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/mean.h"
#include "train/train_test_util.h"
#include "util/comma_locale.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class WindowDataTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    folder_ = TestFolder();
    // 20 wide, 10 high; blue is the column times 10, green the row times 10, red 7.
    cv::Mat image(10, 20, CV_8UC3);
    for (int y = 0; y < 10; ++y) {
      for (int x = 0; x < 20; ++x) {
        image.at<cv::Vec3b>(y, x) =
            cv::Vec3b(static_cast<uint8_t>(10 * x), static_cast<uint8_t>(10 * y), 7);
      }
    }
    cv::imwrite(At("a.png"), image);
  }
  std::string At(const std::string& name) const { return (folder_ / name).string(); }
  void WriteWindows(const std::vector<std::string>& windows,
                    const std::string& name = "a.png") const {
    std::string text = "# 0\n" + name + "\n3\n10\n20\n" + std::to_string(windows.size()) + "\n";
    for (const std::string& window : windows) text += window + "\n";
    WriteTestFile(folder_ / "windows.txt", text);
  }
  LayerRunner MakeRunner(const std::string& options, const std::string& transform = "crop_size: 4",
                         uint64_t seed = 1) const {
    RunnerOptions on;
    on.device = device();
    on.seed = seed;
    on.tops = 2;
    on.dtype = DType::kFloat32;
    return LayerRunner("type: 'WindowData' window_data_param { source: '" + At("windows.txt") +
                           "' root_folder: '" + folder_.string() + "/' " + options +
                           " } transform_param { " + transform + " }",
                       {}, on);
  }

  std::filesystem::path folder_;
};
CREMA_ON_ALL_DEVICES(WindowDataTest);

// A window of the crop's own size is not stretched.
TEST_P(WindowDataTest, CutsOut) {
  WriteWindows({"3 0.9 2 5 5 8", "7 0.1 10 1 13 4"});
  LayerRunner runner = MakeRunner("batch_size: 2 fg_fraction: 0.5");
  EXPECT_EQ(runner.top_shape(0), (Shape{2, 3, 4, 4}));
  runner.Forward();
  EXPECT_EQ(runner.Top(1), (std::vector<double>{0, 3}));  // the background first
  std::vector<double> expected;
  for (const auto& [left, top] : {std::pair<int, int>{10, 1}, {2, 5}}) {
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 4; ++y) {
        for (int x = 0; x < 4; ++x) {
          expected.push_back(c == 0 ? 10 * (left + x) : c == 1 ? 10 * (top + y) : 7);
        }
      }
    }
  }
  EXPECT_EQ(runner.Top(0), expected);
}

TEST_P(WindowDataTest, SubtractsAndScales) {
  WriteWindows({"3 0.9 2 5 5 8"});
  LayerRunner runner =
      MakeRunner("batch_size: 1 fg_fraction: 1 cache_images: true",
                 "crop_size: 4 scale: 0.5 mean_value: 1 mean_value: 2 mean_value: 3");
  runner.Forward();
  EXPECT_EQ(runner.Top(0)[0], 0.5 * (20 - 1));
  EXPECT_EQ(runner.Top(0)[16], 0.5 * (50 - 2));
  EXPECT_EQ(runner.Top(0)[32], 0.5 * (7 - 3));
}

// Where the mean image is larger than the crop, its middle is subtracted, not its corner; the
// middle is found by its width, in both directions, as in Caffe.
TEST_P(WindowDataTest, SubtractsTheMiddleOfTheMeanImage) {
  WriteWindows({"3 0.9 2 5 5 8", "7 0.1 10 1 13 4"});
  constexpr int kHeight = 11, kWidth = 8, kOffset = 2;  // (8 - 4) / 2
  MeanImage mean;
  mean.size = {3, kHeight, kWidth};
  for (int i = 0; i < 3 * kHeight * kWidth; ++i) mean.values.push_back(static_cast<float>(i));
  WriteMeanFile(mean, At("mean.binaryproto"));
  LayerRunner runner = MakeRunner("batch_size: 2 fg_fraction: 0.5",
                                  "crop_size: 4 mean_file: '" + At("mean.binaryproto") + "'");
  runner.Forward();
  std::vector<double> expected;
  for (const auto& [left, top] : {std::pair<int, int>{10, 1}, {2, 5}}) {
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 4; ++y) {
        for (int x = 0; x < 4; ++x) {
          const int pixel = c == 0 ? 10 * (left + x) : c == 1 ? 10 * (top + y) : 7;
          expected.push_back(pixel - ((c * kHeight + y + kOffset) * kWidth + x + kOffset));
        }
      }
    }
  }
  EXPECT_EQ(runner.Top(0), expected);
}

// Below free pixels, the mean is that of their place in the crop.
TEST_P(WindowDataTest, SubtractsTheMeanWhereTheWindowGoes) {
  WriteWindows({"1 1 0 0 1 1"});
  MeanImage mean;
  mean.size = {3, 6, 6};
  for (int i = 0; i < 3 * 36; ++i) mean.values.push_back(static_cast<float>(i % 36));
  WriteMeanFile(mean, At("mean.binaryproto"));
  LayerRunner runner = MakeRunner("batch_size: 1 fg_fraction: 1 context_pad: 1",
                                  "crop_size: 4 mean_file: '" + At("mean.binaryproto") + "'");
  runner.Forward();
  for (int y = 1; y < 4; ++y) {
    for (int x = 1; x < 4; ++x) EXPECT_EQ(runner.Top(0)[32 + 4 * y + x], 7 - (6 * (y + 1) + x + 1));
  }
  EXPECT_EQ(runner.Top(0)[32], 0);
}

TEST_P(WindowDataTest, TakesWhatEditorsLeaveAndBlanksInPaths) {
  cv::imwrite(At("my image 3.png"), cv::imread(At("a.png")));
  const auto labels = [&](const std::string& text) {
    WriteTestFile(folder_ / "windows.txt", text);
    LayerRunner runner = MakeRunner("batch_size: 1 fg_fraction: 1");
    runner.Forward();
    return runner.Top(1);
  };
  const std::vector<double> five = {5};
  EXPECT_EQ(labels("\xef\xbb\xbf# 0\r\nmy image 3.png\r\n3\r\n10\r\n20\r\n1\r\n5 1 0 0 3 3\r\n"),
            five);
  EXPECT_EQ(labels("# 0 a.png 3 10 20 1 5 1 0 0 3 3"), five);  // ends of lines do not matter
  EXPECT_EQ(labels("# 0\na.png 3\n10 20\n1\n5 1\n0 0\n3 3"), five);
}

TEST_P(WindowDataTest, SaysOnceThatAJpegIsTruncated) {
  std::vector<uint8_t> file;
  cv::imencode(".jpg", cv::imread(At("a.png")), file);
  WriteTestFile(folder_ / "cut.jpg", std::string(file.begin(), file.end() - 1));
  WriteWindows({"1 1 2 3 5 6"}, "cut.jpg");
  for (const char* cache : {"true", "false"}) {
    LogCapture log;
    LayerRunner runner =
        MakeRunner(std::string("batch_size: 2 fg_fraction: 1 cache_images: ") + cache);
    for (int i = 0; i < 3; ++i) runner.Forward();
    const cv::Mat whole = cv::imdecode(file, cv::IMREAD_COLOR);
    EXPECT_EQ(runner.Top(0)[0], whole.at<cv::Vec3b>(3, 2)[0]);
    EXPECT_EQ(runner.Top(0)[15], whole.at<cv::Vec3b>(6, 5)[0]);
    EXPECT_EQ(log.With("cut.jpg, number 0 in the window file, is truncated").size(), 1u);
  }
}

// 2 x 2 pixels with one pixel of context on each side are 4 x 4; at the corner of the image a
// quarter of what is around is not there and stays 0.
TEST_P(WindowDataTest, LeavesFreeWhatIsOutsideTheImage) {
  WriteWindows({"1 1 0 0 1 1"});
  LayerRunner runner = MakeRunner("batch_size: 1 fg_fraction: 1 context_pad: 1");
  runner.Forward();
  const std::vector<double> x = runner.Top(0);
  // From -1 to 3: 5 x 5 pixels, of which 4 x 4 are there, onto 4 x 4: 3 x 3 behind a border of 1.
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(x[32 + i], 0) << i;
    EXPECT_EQ(x[32 + 4 * i], 0) << i;
  }
  for (int y = 1; y < 4; ++y) {
    for (int z = 1; z < 4; ++z) EXPECT_EQ(x[32 + 4 * y + z], 7);
  }
}

TEST_P(WindowDataTest, MakesSquares) {
  WriteWindows({"1 1 4 3 7 4"});
  LayerRunner runner = MakeRunner("batch_size: 1 fg_fraction: 1 crop_mode: 'square'");
  runner.Forward();
  // 4 x 2 pixels around (6, 4) become those from (4, 2) to (8, 6).
  cv::Mat expected;
  cv::resize(cv::imread(At("a.png"))(cv::Rect(4, 2, 5, 5)), expected, cv::Size(4, 4));
  for (int i = 0; i < 16; ++i) EXPECT_EQ(runner.Top(0)[i], expected.data[3 * i]);
}

TEST_P(WindowDataTest, DrawsTheSameBatchesFromAnyPlace) {
  std::vector<std::string> windows;
  for (int i = 0; i < 8; ++i) {
    windows.push_back(Concat(i + 1, " ", i % 2, " ", i, " 0 ", i + 3, " 3"));
  }
  WriteWindows(windows);
  const auto take = [](LayerRunner& runner, int batches) {
    std::vector<std::vector<double>> all;
    for (int i = 0; i < batches; ++i) {
      runner.Forward();
      all.push_back(runner.Top(0));
      all.push_back(runner.Top(1));
    }
    return all;
  };
  const std::string options = "batch_size: 8 fg_fraction: 0.5";
  LayerRunner straight = MakeRunner(options, "crop_size: 4 mirror: true");
  LayerRunner resumed = MakeRunner(options, "crop_size: 4 mirror: true");
  LayerRunner other = MakeRunner(options, "crop_size: 4 mirror: true", 2);
  const auto all = take(straight, 6);
  resumed.layer().Seek(16);
  EXPECT_EQ(take(resumed, 4), (std::vector<std::vector<double>>(all.begin() + 4, all.end())));
  EXPECT_NE(take(other, 6), all);
  std::map<double, int> labels;
  for (size_t i = 1; i < all.size(); i += 2) {
    for (double label : all[i]) ++labels[label];
  }
  EXPECT_EQ(labels[0], 24);
  EXPECT_EQ(labels.size(), 5u);
}

// Thresholds and overlaps have a point whatever the locale of the program.
TEST_P(WindowDataTest, ReadsNumbersInAnyLocale) {
  WriteWindows({"3 0.9 2 5 5 8", "7 0.1 10 1 13 4"});
  const CommaStreams comma;
  LayerRunner runner = MakeRunner("batch_size: 2 fg_fraction: 0.5");
  runner.Forward();
  EXPECT_EQ(runner.Top(1), (std::vector<double>{0, 3}));
}

// The window grows to 2500 million pixels and more, which are nearly all outside.
TEST_P(WindowDataTest, HugeWindowsWithContext) {
  WriteWindows({"1 1 -16777216 -16777216 16777216 16777216"});
  LayerRunner runner = MakeRunner("batch_size: 1 fg_fraction: 1 context_pad: 15", "crop_size: 32");
  runner.Forward();
  EXPECT_EQ(runner.Top(1), std::vector<double>{1});
}

TEST_P(WindowDataTest, NamesWhatIsWrong) {
  const auto fails = [&](const std::vector<std::string>& parts, const std::string& options = "",
                         const std::string& transform = "crop_size: 4") {
    ExpectError([&] { MakeRunner("batch_size: 1 fg_fraction: 1 " + options, transform); }, parts);
  };
  fails({"'test' (WindowData)", "windows.txt", "cannot be opened"});
  WriteTestFile(folder_ / "windows.txt", "");
  fails({"windows.txt is empty"});
  WriteTestFile(folder_ / "windows.txt", "\x89PNG\r\n\x1a\n and more");
  fails({"windows.txt is a PNG image", "it must be a window file"});
  WriteTestFile(folder_ / "windows.txt", "# 0\na.png\n3\n10\n20\n2\n1 1 0 0 1 1\n");
  fails({"windows.txt:7: ", "is incomplete", "a window's label is missing"});
  WriteTestFile(folder_ / "windows.txt", "0 a.png");
  fails({"windows.txt:1: \"0\" is found, but image 0 must start here with \"#\""});
  WriteTestFile(folder_ / "windows.txt", "# 0\na.png\n3\n10\ntwenty\n");
  fails({"windows.txt:5: \"twenty\" is not a number", "an image's width"});
  WriteWindows({"0 1 0 0 1 1"});
  fails({"windows.txt:7: ", "label 0"});
  WriteWindows({"1 1 0 0 2147483647 1"});
  fails({"windows.txt:7: ", "x2 is 2147483647", "from -16777216 to 16777216"});
  WriteWindows({"1 0.2 0 0 1 1"});
  fails({"no foreground windows", "fg_threshold"});
  WriteWindows({"1 1 0 0 1 1"});
  fails({"crop_size is missing"}, "", "");
  fails({"context_pad is 2"}, "context_pad: 2");
  fails({"crop_mode is 'round'"}, "crop_mode: 'round'");
  for (const char* bad : {"1 1 0 0 2147483647 1", "1 1 -2147483648 0 1 1", "1 1 0 0 1 300000000"}) {
    WriteWindows({bad});
    fails({"windows.txt:7: ", "from -16777216 to 16777216"});
    fails({"from -16777216 to 16777216"}, "context_pad: 1");
  }
  WriteWindows({"1 1 0 0 20 1"});
  LayerRunner outside = MakeRunner("batch_size: 1 fg_fraction: 1");
  ExpectError([&] { outside.Forward(); }, {"a.png", "(20, 1)", "20 x 10"});
  WriteWindows({"1 1 0 0 1 1"}, "none.png");
  LayerRunner missing = MakeRunner("batch_size: 1 fg_fraction: 1");
  ExpectError([&] { missing.Forward(); }, {"none.png", "cannot be opened"});
}

}  // namespace
}  // namespace crema::test
