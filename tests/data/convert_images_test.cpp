#include <gmock/gmock.h>

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <set>

#include "data/convert.h"
#include "data/databases.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

namespace fs = std::filesystem;

// A picture whose content depends on `seed`.
cv::Mat Picture(int seed, int height = 6, int width = 8, int type = CV_8UC3) {
  cv::Mat image(height, width, type);
  for (int i = 0; i < height * width * image.channels(); ++i) {
    image.data[i] = static_cast<uint8_t>(seed * 53 + i * 11);
  }
  return image;
}

// The bytes of a Datum: channel by channel.
std::string Planar(const cv::Mat& image) {
  std::string bytes;
  for (int c = 0; c < image.channels(); ++c) {
    for (int p = 0; p < image.rows * image.cols; ++p) {
      bytes.push_back(static_cast<char>(image.data[p * image.channels() + c]));
    }
  }
  return bytes;
}

class ConvertImagesTest : public BothBackends {
 protected:
  void WritePicture(const std::string& name, const cv::Mat& image) {
    fs::create_directories(fs::path(temp_ / name).parent_path());
    ASSERT_TRUE(cv::imwrite(temp_ / name, image));
  }

  // Three pictures and their list.
  void WriteSet() {
    WritePicture("in/a.png", Picture(1));
    WritePicture("in/sub dir/b c.png", Picture(2));
    WritePicture("in/g.png", Picture(3, 6, 8, CV_8UC1));
    WriteAll(temp_ / "list", "a.png 5\r\n\nsub dir/b c.png 3\ng.png -1\n");
  }

  std::vector<proto::Datum> Run(const ConvertImageOptions& options = {}) {
    fs::remove_all(temp_ / "db");
    ConvertImageSet(temp_ / "in", temp_ / "list", temp_ / "db", backend(), options);
    return ReadDatums(backend(), temp_ / "db");
  }

  void Refuses(const ConvertImageOptions& options, const std::vector<std::string>& parts) {
    ExpectError([&] { Run(options); }, parts);
    EXPECT_FALSE(fs::exists(temp_ / "db"));
    EXPECT_FALSE(fs::exists(temp_ / "db.partial"));
  }
};
CREMA_ON_BOTH_BACKENDS(ConvertImagesTest);

TEST_P(ConvertImagesTest, StoresPixels) {
  WriteSet();
  const auto datums = Run();
  ASSERT_EQ(datums.size(), 3u);
  EXPECT_EQ(datums[0].data(), Planar(Picture(1)));
  EXPECT_EQ(datums[1].data(), Planar(Picture(2)));
  cv::Mat grey;
  cv::cvtColor(Picture(3, 6, 8, CV_8UC1), grey, cv::COLOR_GRAY2BGR);
  EXPECT_EQ(datums[2].data(), Planar(grey));
  const int labels[] = {5, 3, -1};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(datums[i].label(), labels[i]);
    EXPECT_EQ(datums[i].channels(), 3);
    EXPECT_EQ(datums[i].height(), 6);
    EXPECT_EQ(datums[i].width(), 8);
    EXPECT_FALSE(datums[i].encoded());
  }
  const auto records = ReadDatabase(backend(), temp_ / "db");
  EXPECT_EQ(records[0].first, "00000000_a.png");
  EXPECT_EQ(records[1].first, "00000001_sub dir/b c.png");
}

TEST_P(ConvertImagesTest, GreyAndResized) {
  WriteSet();
  ConvertImageOptions options;
  options.gray = true;
  EXPECT_EQ(Run(options)[2].data(), Planar(Picture(3, 6, 8, CV_8UC1)));
  options.resize_height = 3;
  options.resize_width = 5;
  cv::Mat resized;
  cv::resize(Picture(3, 6, 8, CV_8UC1), resized, cv::Size(5, 3));
  const auto datums = Run(options);
  EXPECT_EQ(datums[2].data(), Planar(resized));
  EXPECT_EQ(datums[0].channels(), 1);
  EXPECT_EQ(datums[0].height(), 3);
  EXPECT_EQ(datums[0].width(), 5);
}

TEST_P(ConvertImagesTest, Encoded) {
  WriteSet();
  ConvertImageOptions options;
  options.encoded = true;
  auto datums = Run(options);
  EXPECT_TRUE(datums[0].encoded());
  EXPECT_EQ(datums[0].label(), 5);
  EXPECT_EQ(datums[0].data(), ReadAll(temp_ / "in/a.png"));  // untouched
  options.encode_type = "jpg";
  options.encoded = false;  // implied
  EXPECT_EQ(Run(options)[0].data().substr(0, 2), "\xff\xd8");
  options.encode_type = "png";
  options.resize_height = options.resize_width = 4;
  const std::string file = Run(options)[0].data();
  const cv::Mat stored = cv::imdecode(std::vector<uint8_t>(file.begin(), file.end()), -1);
  EXPECT_EQ(stored.size(), cv::Size(4, 4));
  options.encode_type = "nonsense";
  Refuses(options, {"list:1", "a.png"});
}

TEST_P(ConvertImagesTest, ShufflesTheSameWayEachTime) {
  std::string list;
  for (int i = 0; i < 12; ++i) {
    WritePicture("in/" + std::to_string(i) + ".png", Picture(i, 2, 2));
    list += std::to_string(i) + ".png " + std::to_string(i) + "\n";
  }
  WriteAll(temp_ / "list", list);
  const auto labels = [&](uint64_t seed) {
    ConvertImageOptions options;
    options.shuffle = true;
    options.seed = seed;
    std::vector<int> found;
    for (const auto& datum : Run(options)) found.push_back(datum.label());
    return found;
  };
  const std::vector<int> first = labels(1);
  EXPECT_EQ(std::set<int>(first.begin(), first.end()).size(), 12u);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  EXPECT_EQ(labels(1), first);
  EXPECT_NE(labels(2), first);
}

// What a Data layer makes of a record.
cv::Mat Decoded(const proto::Datum& datum) {
  const std::string& file = datum.data();
  return cv::imdecode(std::vector<uint8_t>(file.begin(), file.end()), cv::IMREAD_UNCHANGED);
}

void ExpectEqual(const cv::Mat& found, const cv::Mat& expected, const std::string& name) {
  ASSERT_EQ(found.type(), expected.type()) << name;
  ASSERT_EQ(found.size(), expected.size()) << name;
  EXPECT_EQ(cv::norm(found, expected, cv::NORM_INF), 0) << name;
}

// A stored file decodes to what was asked for, whatever was in the folder, and is the file of the
// folder if that one decodes to it.
TEST_P(ConvertImagesTest, EncodedFilesHaveTheChannelsAskedFor) {
  WritePicture("in/gray.jpg", Picture(1, 6, 8, CV_8UC1));
  WritePicture("in/color.jpg", Picture(2));
  WritePicture("in/gray.png", Picture(3, 6, 8, CV_8UC1));
  WritePicture("in/color.png", Picture(4));
  WritePicture("in/alpha.png", Picture(5, 6, 8, CV_8UC4));
  WritePicture("in/deep.png", cv::Mat(6, 8, CV_16UC3, cv::Scalar(256 * 9, 256 * 200, 256 * 30)));
  WritePicture("in/deep_gray.png", cv::Mat(6, 8, CV_16UC1, cv::Scalar(256 * 77)));
  WritePicture("in/color.bmp", Picture(6));
  WritePicture("in/gray.bmp", Picture(7, 6, 8, CV_8UC1));
  WritePicture("in/alpha.bmp", Picture(8, 6, 8, CV_8UC4));
  const std::set<std::string> of_gray = {"gray.jpg", "gray.png", "gray.bmp"};
  const std::set<std::string> of_color = {"color.jpg", "color.png", "color.bmp"};
  for (const auto& file : fs::directory_iterator(temp_ / "in")) {
    const std::string name = file.path().filename();
    WriteAll(temp_ / "list", name + " 1\n");
    for (bool gray : {false, true}) {
      for (const char* type : {"", "png", "bmp", "jpg"}) {
        for (int side : {0, 5}) {
          ConvertImageOptions options;
          options.encoded = true;
          options.gray = gray;
          options.encode_type = type;
          options.resize_height = options.resize_width = side;
          cv::Mat expected =
              cv::imread(file.path(), gray ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
          if (side > 0) cv::resize(expected, expected, cv::Size(side, side));
          const std::string what = name + " " + type + (gray ? " gray " : " ") + Concat(side);
          const std::string kind = *type != 0 ? type : name.substr(name.rfind('.') + 1);
          const proto::Datum datum = Run(options)[0];
          EXPECT_TRUE(datum.encoded());
          EXPECT_EQ(datum.channels(), gray ? 1 : 3) << what;
          EXPECT_EQ(datum.height(), expected.rows) << what;
          EXPECT_EQ(datum.width(), expected.cols) << what;
          const cv::Mat stored = Decoded(datum);
          const bool fits = (gray ? of_gray : of_color).count(name) > 0 && side == 0 &&
                            kind == name.substr(name.rfind('.') + 1);
          EXPECT_TRUE(!fits || datum.data() == ReadAll(file.path())) << what;
          if (fits || kind != "jpg") {
            ExpectEqual(stored, expected, what);
          } else {  // JPEG is not exact
            EXPECT_EQ(stored.channels(), gray ? 1 : 3) << what;
            EXPECT_EQ(stored.size(), expected.size()) << what;
          }
        }
      }
    }
  }
}

TEST_P(ConvertImagesTest, TypesThatCannotHoldTheChannelsAreRefused) {
  WriteSet();
  ConvertImageOptions options;
  options.gray = true;
  options.encode_type = "webp";
  Refuses(options, {"a.png", "cannot be stored as 'webp' with 1 channel;", "--encode_type"});
}

TEST_P(ConvertImagesTest, RedGreenBlue) {
  WriteSet();
  ConvertImageOptions options;
  options.rgb = true;
  const cv::Mat image = Picture(1);
  cv::Mat turned;
  cv::cvtColor(image, turned, cv::COLOR_BGR2RGB);
  EXPECT_EQ(Run(options)[0].data(), Planar(turned));
  options.gray = true;
  Refuses(options, {"--rgb and --gray"});
  options.gray = false;
  options.encoded = true;
  Refuses(options, {"--rgb cannot be combined with --encoded"});
}

// In the order of the list, the first bad one ends it.
TEST_P(ConvertImagesTest, StopsAtABadImage) {
  WriteSet();
  WriteAll(temp_ / "in/cut.png", ReadAll(temp_ / "in/a.png").substr(0, 30));
  std::string list = "a.png 1\ncut.png 3\n";
  for (int i = 0; i < 1000; ++i) list += "none.png 2\n";
  WriteAll(temp_ / "list", list);
  LogCapture log;
  Refuses({}, {"list:2: ", "in/cut.png", "--skip_bad"});
  EXPECT_EQ(log.With("removing the 1 record written so far").size(), 1u);
}

TEST_P(ConvertImagesTest, LeavesOutBadImagesIfAsked) {
  WriteSet();
  WritePicture("in/large.png", Picture(4, 9, 9));
  WriteAll(temp_ / "in/cut.png", ReadAll(temp_ / "in/a.png").substr(0, 30));
  WriteAll(temp_ / "in/empty.png", "");
  std::string list = "a.png 1\nnone.png 2\ncut.png 3\ng.png 4\nempty.png 5\nlarge.png 6\n";
  WriteAll(temp_ / "list", list);
  ConvertImageOptions options;
  options.skip_bad = options.check_size = true;
  LogCapture log;
  const auto datums = Run(options);
  ASSERT_EQ(datums.size(), 2u);
  EXPECT_EQ(datums[1].label(), 4);
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "db")[1].first, "00000003_g.png");  // as Caffe
  EXPECT_EQ(log.With("Skipped 4 of 6 images").size(), 1u);
  for (const char* part : {"list:2: ", "list:3: ", "list:5: ", "list:6: "}) {
    EXPECT_EQ(log.With(part).size(), 1u) << part;
  }
  for (int i = 0; i < 30; ++i) list += "none.png 2\n";
  WriteAll(temp_ / "list", list);
  EXPECT_EQ(Run(options).size(), 2u);
  EXPECT_EQ(log.With("Skipped 34 of 36 images").size(), 1u);
  EXPECT_EQ(log.With("    and 14 more").size(), 1u);
  WriteAll(temp_ / "list", "none.png 2\ncut.png 3\n");
  fs::remove_all(temp_ / "db");
  Refuses(options, {"none of the 2 images can be used", "list:1: ", "none.png"});
}

// Some missing images are bad ones; if all are, the folder is wrong.
TEST_P(ConvertImagesTest, AWrongRootIsTold) {
  WriteSet();
  ConvertImageOptions options;
  options.skip_bad = true;
  const auto error = [&](const std::string& root) {
    fs::remove_all(temp_ / "db");
    return ErrorOf(
        [&] { ConvertImageSet(root, temp_ / "list", temp_ / "db", backend(), options); });
  };
  const std::string list = temp_ / "list", in = temp_ / "in";
  EXPECT_EQ(
      error(in + "/sub dir"),
      list + ": none of its images is there; the first was looked for as '" + in +
          "/sub dir/a.png', which is ROOT and its path in the list; correct ROOT or the list");
  EXPECT_FALSE(fs::exists(temp_ / "db.partial"));
  WriteAll(temp_ / "list", in + "/a.png 1\n" + in + "/g.png 2\n");
  EXPECT_THAT(error(in), testing::HasSubstr("; the paths are complete, so use / as ROOT"));
  EXPECT_EQ(error("/"), "");
}

// As Caffe reads them; without their end they are stored with one.
TEST_P(ConvertImagesTest, TruncatedJpegsAreStoredWithAWarning) {
  const cv::Mat image = Picture(1, 32, 32);
  WritePicture("in/whole.jpg", image);
  const std::string whole = ReadAll(temp_ / "in/whole.jpg");
  WriteAll(temp_ / "in/no_end.jpg", whole.substr(0, whole.size() - 1));
  WriteAll(temp_ / "in/half.jpg", whole.substr(0, whole.size() / 2 + 100));
  WriteAll(temp_ / "list", "whole.jpg 0\nno_end.jpg 1\nhalf.jpg 2\n");
  LogCapture log;
  auto datums = Run();
  ASSERT_EQ(datums.size(), 3u);
  EXPECT_EQ(datums[0].data(), Planar(cv::imread(temp_ / "in/whole.jpg")));
  EXPECT_EQ(datums[1].data(), datums[0].data());
  EXPECT_NE(datums[2].data(), datums[0].data());
  EXPECT_EQ(log.With("list:2: 'no_end.jpg' is truncated; only its end mark is missing").size(), 1u);
  EXPECT_EQ(log.With("list:3: 'half.jpg' is truncated in row").size(), 1u);
  EXPECT_EQ(log.With("2 of the stored images are truncated or damaged").size(), 1u);
  ConvertImageOptions options;
  options.encoded = true;
  datums = Run(options);
  ASSERT_EQ(datums.size(), 3u);
  EXPECT_EQ(datums[0].data(), whole);
  ExpectEqual(Decoded(datums[1]), Decoded(datums[0]), "no end");
}

TEST_P(ConvertImagesTest, StopsWhenAsked) {
  WriteSet();
  std::string list;
  for (int i = 0; i < 500; ++i) list += "a.png 1\n";
  WriteAll(temp_ / "list", list);
  int asked = 0;
  LogCapture log;
  ExpectError(
      [&] {
        ConvertImageSet(temp_ / "in", temp_ / "list", temp_ / "db", backend(), {},
                        [&](uint64_t, uint64_t) { return ++asked == 2; });
      },
      {"stopped by a signal after ", " of 500 images"});
  EXPECT_EQ(log.With("is incomplete; removing the ").size(), 1u);
  EXPECT_FALSE(fs::exists(temp_ / "db"));
  EXPECT_FALSE(fs::exists(temp_ / "db.partial"));
}

TEST_P(ConvertImagesTest, BadListsAreErrors) {
  WriteSet();
  const auto with = [&](const std::string& list, const std::vector<std::string>& parts) {
    WriteAll(temp_ / "list", list);
    Refuses({}, parts);
  };
  with("a.png 1\na.png\n", {"list:2: \"a.png\" does not end with a label"});
  with("a.png one\n", {"list:1: ", "label"});
  with("a.png 1.5\n", {"list:1: ", "label"});
  with("a.png 99999999999\n", {"list:1: ", "label"});
  with(" 5\n", {"list:1: ", "without a path"});
  with("\n\n", {"list is empty"});
  ExpectError([&] { ConvertImageSet("", temp_ / "nolist", temp_ / "db", backend(), {}); },
              {"nolist"});
  ConvertImageOptions options;
  options.resize_height = 5;
  Refuses(options, {"--resize_height=5", "--resize_width=0"});
}

TEST_P(ConvertImagesTest, CheckSizeStopsAtAnotherSize) {
  WriteSet();
  WritePicture("in/large.png", Picture(4, 9, 9));
  WriteAll(temp_ / "list", "a.png 5\nlarge.png 3\n");
  EXPECT_EQ(Run().size(), 2u);
  ConvertImageOptions options;
  options.check_size = true;
  fs::remove_all(temp_ / "db");
  Refuses(options, {"list:2: ", "large.png", "3 x 9 x 9", "3 x 6 x 8"});
}

TEST_P(ConvertImagesTest, LongPathsMakeKeysThatFit) {
  const std::string folder =
      "in/" + std::string(200, 'x') + "/" + std::string(200, 'y') + "/" + std::string(200, 'z');
  WritePicture(folder + "/a.png", Picture(1));
  WriteAll(temp_ / "list", folder.substr(3) + "/a.png 1\n");
  EXPECT_EQ(Run().size(), 1u);
}

TEST_P(ConvertImagesTest, AFolderForEachClass) {
  WritePicture("in/dog/2.png", Picture(2));
  WritePicture("in/dog/1.png", Picture(1));
  WritePicture("in/cat/z.jpg", Picture(3));
  WriteAll(temp_ / "in/cat/notes.txt", "not an image");
  WriteAll(temp_ / "in/cat/.hidden.png", "not an image");
  WriteAll(temp_ / "in/README", "not a class");
  EXPECT_EQ(ConvertFolder(temp_ / "in", temp_ / "db", backend(), {}), 3u);
  const auto records = ReadDatabase(backend(), temp_ / "db");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].first, "00000000_cat/z.jpg");
  EXPECT_EQ(records[1].first, "00000001_dog/1.png");
  EXPECT_EQ(records[2].first, "00000002_dog/2.png");
  const auto datums = ReadDatums(backend(), temp_ / "db");
  EXPECT_EQ(datums[0].label(), 0);
  EXPECT_EQ(datums[1].label(), 1);
  EXPECT_EQ(datums[2].data(), Planar(Picture(2)));
  EXPECT_EQ(ReadAll(temp_ / "db/classes.txt"), "cat\ndog\n");
}

TEST_P(ConvertImagesTest, BadFoldersAreErrors) {
  const auto run = [&] { ConvertFolder(temp_ / "in", temp_ / "db", backend(), {}); };
  ExpectError(run, {"in", "No such file"});
  fs::create_directories(temp_ / "in");
  ExpectError(run, {"in", "one per class"});
  WritePicture("in/dog/1.png", Picture(1));
  fs::create_directories(temp_ / "in/cat");
  ExpectError(run, {"in/cat", "contains no images"});
  WriteAll(temp_ / "in/cat/bad.png", "x");
  ExpectError(run, {"in/cat/bad.png", "--skip_bad"});
  EXPECT_FALSE(fs::exists(temp_ / "db"));
}

}  // namespace
}  // namespace crema::test
