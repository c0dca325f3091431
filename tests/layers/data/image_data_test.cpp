#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <set>

#include "data/image_batches.h"
#include "data/mean.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ImageDataTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    folder_ = TestFolder();
  }

  // `count` images of 4 x 6 pixels; all pixels of image i are (i, 2 i, 3 i) in blue, green, red.
  void WriteImages(int count) const {
    std::string list;
    for (int i = 0; i < count; ++i) {
      const std::string name = "image " + std::to_string(i) + ".png";
      cv::imwrite(At(name), cv::Mat(4, 6, CV_8UC3, cv::Scalar(i, 2 * i, 3 * i)));
      list += name + " " + std::to_string(100 + i) + "\n";
    }
    WriteTestFile(folder_ / "list.txt", list);
  }
  std::string At(const std::string& name) const { return (folder_ / name).string(); }
  LayerRunner MakeRunner(const std::string& options, const std::string& more = "",
                         uint64_t seed = 1, Phase phase = Phase::kTrain) const {
    RunnerOptions on;
    on.phase = phase;
    on.device = device();
    on.seed = seed;
    on.tops = 2;
    on.dtype = DType::kFloat32;
    return LayerRunner("type: 'ImageData' image_data_param { source: '" + At("list.txt") +
                           "' root_folder: '" + folder_.string() + "/' " + options + " } " + more,
                       {}, on);
  }
  static std::vector<double> Labels(LayerRunner& runner, int batches) {
    std::vector<double> all;
    for (int i = 0; i < batches; ++i) {
      runner.Forward();
      const std::vector<double> labels = runner.Top(1);
      all.insert(all.end(), labels.begin(), labels.end());
    }
    return all;
  }

  std::filesystem::path folder_;
};
CREMA_ON_ALL_DEVICES(ImageDataTest);

TEST_P(ImageDataTest, ReadsTheListInOrder) {
  WriteImages(5);
  LayerRunner runner = MakeRunner("batch_size: 3");
  EXPECT_EQ(runner.top_shape(0), (Shape{3, 3, 4, 6}));
  EXPECT_EQ(Labels(runner, 2), (std::vector<double>{100, 101, 102, 103, 104, 100}));
  const std::vector<double> x = runner.Top(0);  // images 3, 4, 0
  EXPECT_EQ(x[0], 3);
  EXPECT_EQ(x[24], 6);
  EXPECT_EQ(x[48], 9);
  EXPECT_EQ(x[72], 4);
  EXPECT_EQ(runner.layer().position(), 6u);
}

TEST_P(ImageDataTest, MakesGreyAndResizes) {
  WriteImages(2);
  cv::Mat ramp(4, 6, CV_8UC3);
  for (int i = 0; i < 72; ++i) ramp.data[i] = static_cast<uint8_t>(3 * i);
  cv::imwrite(At("image 1.png"), ramp);
  LayerRunner runner = MakeRunner("batch_size: 2 new_height: 3 new_width: 5 is_color: false");
  EXPECT_EQ(runner.top_shape(0), (Shape{2, 1, 3, 5}));
  runner.Forward();
  cv::Mat expected;
  cv::resize(cv::imread(At("image 1.png"), cv::IMREAD_GRAYSCALE), expected, cv::Size(5, 3));
  for (int i = 0; i < 15; ++i) EXPECT_EQ(runner.Top(0)[15 + i], expected.data[i]);
}

TEST_P(ImageDataTest, Transforms) {
  WriteImages(4);
  LayerRunner runner = MakeRunner("batch_size: 4",
                                  "transform_param { scale: 0.5 mean_value: 1 "
                                  "mean_value: 0 mean_value: 2 crop_size: 2 mirror: true }");
  EXPECT_EQ(runner.top_shape(0), (Shape{4, 3, 2, 2}));
  runner.Forward();
  EXPECT_EQ(runner.Top(0)[36], 0.5 * (3 - 1));
  EXPECT_EQ(runner.Top(0)[40], 0.5 * 6);
  EXPECT_EQ(runner.Top(0)[44], 0.5 * (9 - 2));
}

TEST_P(ImageDataTest, ShufflesEachEpochAnewAndGoesOnFromAnyPlace) {
  WriteImages(10);
  const std::string options = "batch_size: 5 shuffle: true rand_skip: 4";
  LayerRunner straight = MakeRunner(options);
  const std::vector<double> all = Labels(straight, 8);
  EXPECT_NE(std::vector<double>(all.begin(), all.begin() + 10),
            std::vector<double>(all.begin() + 10, all.begin() + 20));
  EXPECT_EQ(std::set<double>(all.begin(), all.end()).size(), 10u);
  for (int batches : {1, 3, 6}) {
    LayerRunner resumed = MakeRunner(options);
    resumed.layer().Seek(static_cast<uint64_t>(5 * batches));
    EXPECT_EQ(Labels(resumed, 8 - batches),
              std::vector<double>(all.begin() + 5 * batches, all.end()));
  }
  LayerRunner other = MakeRunner(options, "", 2);
  EXPECT_NE(Labels(other, 8), all);
}

// A file that lacks its last byte gives what the whole one gives, and one warning however often it
// is read.
TEST_P(ImageDataTest, SaysOnceThatAJpegIsTruncated) {
  cv::Mat ramp(16, 24, CV_8UC3);
  for (int i = 0; i < 16 * 24 * 3; ++i) ramp.data[i] = static_cast<uint8_t>(i / 5);
  std::vector<uint8_t> file;
  cv::imencode(".jpg", ramp, file);
  const cv::Mat whole = cv::imdecode(file, cv::IMREAD_COLOR);
  WriteTestFile(folder_ / "cut.jpg", std::string(file.begin(), file.end() - 1));
  WriteTestFile(folder_ / "list.txt", "cut.jpg 1\n");
  LogCapture log;
  LayerRunner runner = MakeRunner("batch_size: 3");
  for (int i = 0; i < 3; ++i) runner.Forward();
  const std::vector<double> x = runner.Top(0);
  for (int c = 0; c < 3; ++c) {
    for (int p = 0; p < 16 * 24; ++p) {
      ASSERT_EQ(x[static_cast<size_t>(c * 16 * 24 + p)], whole.data[3 * p + c]);
    }
  }
  EXPECT_EQ(log.With("list.txt:1: the image " + At("cut.jpg") + " is truncated").size(), 1u);
}

// The middle of the mean image in phase TEST, where the middle of the image is taken.
TEST_P(ImageDataTest, SubtractsTheMeanWhereTheCropIs) {
  WriteImages(2);
  MeanImage mean;
  mean.size = {3, 4, 6};
  for (int i = 0; i < 72; ++i) mean.values.push_back(static_cast<float>(i));
  WriteMeanFile(mean, At("mean.binaryproto"));
  LayerRunner runner =
      MakeRunner("batch_size: 2",
                 "transform_param { crop_size: 2 mean_file: '" + At("mean.binaryproto") + "' }", 1,
                 Phase::kTest);
  runner.Forward();
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 2; ++y) {
      for (int z = 0; z < 2; ++z) {
        EXPECT_EQ(runner.Top(0)[static_cast<size_t>(12 + 4 * c + 2 * y + z)],
                  (c + 1) - (24 * c + 6 * (y + 1) + z + 2));
      }
    }
  }
}

// The batches do not depend on how many threads decode.
TEST(ImageBatchesTest, ThreadsDoNotMatter) {
  const std::filesystem::path folder = TestFolder();
  std::string list;
  for (int i = 0; i < 9; ++i) {
    cv::Mat image(5, 5, CV_8UC3);
    cv::randu(image, 0, 255);
    const std::string name = std::to_string(i) + ".png";
    cv::imwrite((folder / name).string(), image);
    list += name + " " + std::to_string(i) + "\n";
  }
  WriteTestFile(folder / "list.txt", list);
  proto::TransformationParameter transform;
  transform.set_crop_size(3);
  transform.set_mirror(true);
  ImageBatchOptions options;
  options.list = (folder / "list.txt").string();
  options.root = folder.string() + "/";
  options.images =
      std::make_shared<const std::vector<ListedImage>>(ReadImageList(options.list, "test"));
  options.transformer = std::make_shared<Transformer>(transform, Phase::kTrain, "test");
  options.batch_size = 4;
  options.shuffle = true;
  options.size = InspectImage(options, 0);
  const auto take = [&](int workers) {
    options.workers = workers;
    Prefetcher prefetcher(MakeImageBatches(options), 4, workers);
    std::vector<float> all;
    for (int i = 0; i < 20; ++i) {
      prefetcher.Take([&](const Batch& batch) {
        all.insert(all.end(), batch.data.begin(), batch.data.end());
        all.insert(all.end(), batch.labels.begin(), batch.labels.end());
      });
    }
    return all;
  };
  const std::vector<float> one = take(1);
  EXPECT_TRUE(take(2) == one);
  EXPECT_TRUE(take(4) == one);
}

TEST_P(ImageDataTest, NamesWhatIsWrong) {
  ExpectError([&] { MakeRunner(""); }, {"'test' (ImageData)", "list.txt", "cannot be opened"});
  WriteTestFile(folder_ / "list.txt", "");
  ExpectError([&] { MakeRunner(""); }, {"list.txt is empty"});
  WriteTestFile(folder_ / "list.txt", "\xff\xd8\xff\xe0 and more");
  ExpectError([&] { MakeRunner(""); }, {"list.txt is a JPEG image", "it must be a text file"});
  WriteTestFile(folder_ / "list.txt", "a.png 1\nno_label\n");
  ExpectError([&] { MakeRunner(""); }, {"list.txt:2", "\"no_label\"", "an integer"});
  WriteTestFile(folder_ / "list.txt", "a.png 1x\n");
  ExpectError([&] { MakeRunner(""); }, {"list.txt:1"});
  WriteTestFile(folder_ / "list.txt", "none.png 1\n");
  ExpectError(
      [&] { MakeRunner(""); },
      {"list.txt:1", "none.png cannot be opened: No such file or directory; correct its path",
       "root_folder"});
  WriteTestFile(folder_ / "text.png", "no image");
  WriteImages(2);
  WriteTestFile(folder_ / "list.txt", "image 0.png 0\ntext.png 1\n");
  LayerRunner damaged = MakeRunner("batch_size: 2");
  ExpectError([&] { damaged.Forward(); }, {"list.txt:2", "text.png: "});
  cv::imwrite(At("wide.png"), cv::Mat(4, 7, CV_8UC3, cv::Scalar(0)));
  WriteTestFile(folder_ / "list.txt", "image 0.png 0\nwide.png 1\n");
  LayerRunner sizes = MakeRunner("batch_size: 2");
  ExpectError([&] { sizes.Forward(); }, {"list.txt:2", "3 x 4 x 7", "3 x 4 x 6", "new_height"});
  ExpectError([&] { MakeRunner("new_height: 3"); }, {"new_width"});
}

}  // namespace
}  // namespace crema::test
