#include "data/transformer.h"

#include <cmath>
#include <map>

#include "crema/dev/philox.h"
#include "data/databases.h"
#include "data/mean.h"
#include "schema/text_reader.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

Transformer Make(const std::string& text, Phase phase = Phase::kTrain) {
  proto::TransformationParameter config;
  ReadText(text, "test", &config);
  return Transformer(config, phase, "layer 'data' (Data)");
}

std::string NoName() { return "an image"; }

// An image with some content, in each of the forms that a decoder gives.
struct Picture {
  Picture(const ImageSize& image_size, bool floats, bool interleaved) {
    image.size = image_size;
    image.interleaved = interleaved;
    bytes.resize(static_cast<size_t>(image_size.count()));
    values.resize(bytes.size());
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<uint8_t>(i * 37 + i / 7);
      values[i] = static_cast<float>(bytes[i]) * 1.25f - 100;
    }
    (floats ? void(image.floats = values.data()) : void(image.bytes = bytes.data()));
  }
  float At(int c, int y, int x) const {
    const ImageSize& s = image.size;
    const int planar = (c * s.height + y) * s.width + x;
    if (image.floats != nullptr) return values[planar];
    return bytes[image.interleaved ? (y * s.width + x) * s.channels + c : planar];
  }
  Image image;
  std::vector<uint8_t> bytes;
  std::vector<float> values;
};

std::vector<float> Apply(const Transformer& transformer, const Image& image, uint64_t ordinal = 0,
                         uint64_t random = 77) {
  const ImageSize size = transformer.OutputSize(image.size, NoName);
  std::vector<float> out(static_cast<size_t>(size.count()), NAN);
  transformer.Transform(image, random, ordinal, out.data());
  return out;
}

// y = (x - mean) * scale of the window at (top, left), mirrored or not; one element at a time.
template <class Mean>
std::vector<float> Expected(const Picture& picture, int top, int left, int height, int width,
                            bool mirror, float scale, const Mean& mean) {
  std::vector<float> out;
  for (int c = 0; c < picture.image.size.channels; ++c) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const int column = left + (mirror ? width - 1 - x : x);
        out.push_back((picture.At(c, top + y, column) - mean(c, top + y, column)) * scale);
      }
    }
  }
  return out;
}

struct Form {
  int channels;
  bool floats, interleaved;
};
const Form kForms[] = {{1, false, false}, {3, false, false}, {5, false, false}, {3, true, false},
                       {2, false, true},  {3, false, true},  {4, false, true}};

TEST(TransformerTest, WithoutOptionsCopies) {
  for (const Form& form : kForms) {
    const Picture picture({form.channels, 5, 7}, form.floats, form.interleaved);
    EXPECT_EQ(Apply(Make(""), picture.image),
              Expected(picture, 0, 0, 5, 7, false, 1, [](int, int, int) { return 0.0f; }));
  }
}

TEST(TransformerTest, SubtractsTheMeanThenScales) {
  const Picture picture({3, 5, 7}, false, true);
  EXPECT_EQ(
      Apply(Make("scale: 0.00390625 mean_value: 100.5"), picture.image),
      Expected(picture, 0, 0, 5, 7, false, 0.00390625f, [](int, int, int) { return 100.5f; }));
  EXPECT_EQ(Apply(Make("scale: -2 mean_value: 104 mean_value: 117 mean_value: 123"), picture.image),
            Expected(picture, 0, 0, 5, 7, false, -2, [](int c, int, int) {
              return std::vector<float>{104, 117, 123}[c];
            }));
}

TEST(TransformerTest, CropsTheCentreInTest) {
  for (const Form& form : kForms) {
    const Picture picture({form.channels, 9, 6}, form.floats, form.interleaved);
    // (9 - 4) / 2 = 2 and (6 - 4) / 2 = 1, whatever the ordinal
    for (uint64_t ordinal : {0, 1, 2}) {
      EXPECT_EQ(Apply(Make("crop_size: 4", Phase::kTest), picture.image, ordinal),
                Expected(picture, 2, 1, 4, 4, false, 1, [](int, int, int) { return 0.0f; }));
    }
  }
}

class MeanFileTest : public testing::Test {
 protected:
  // Element i of the mean is i / 2.
  std::string WriteMean(const ImageSize& size) {
    MeanImage mean;
    mean.size = size;
    for (int64_t i = 0; i < size.count(); ++i) mean.values.push_back(static_cast<float>(i) / 2);
    WriteMeanFile(mean, temp_ / "mean.binaryproto");
    return Concat("mean_file: '", temp_ / "mean.binaryproto", "' ");
  }
  TempFolder temp_;
};

TEST_F(MeanFileTest, TheMeanIsTakenWhereTheCropIs) {
  for (const Form& form : kForms) {
    const Picture picture({form.channels, 9, 6}, form.floats, form.interleaved);
    const auto mean = [](int c, int y, int x) {
      return static_cast<float>((c * 9 + y) * 6 + x) / 2;
    };
    const std::string mean_file = WriteMean(picture.image.size);
    EXPECT_EQ(Apply(Make(mean_file + "scale: 0.5"), picture.image),
              Expected(picture, 0, 0, 9, 6, false, 0.5, mean));
    EXPECT_EQ(Apply(Make(mean_file + "crop_size: 4", Phase::kTest), picture.image),
              Expected(picture, 2, 1, 4, 4, false, 1, mean));
    // At every random place, mirrored or not, the same rule.
    const Transformer random = Make(mean_file + "crop_size: 4 mirror: true");
    for (uint64_t ordinal = 0; ordinal < 20; ++ordinal) {
      const std::vector<float> out = Apply(random, picture.image, ordinal);
      int matches = 0;
      for (int top = 0; top <= 5; ++top) {
        for (int left = 0; left <= 2; ++left) {
          for (bool mirror : {false, true}) {
            matches += out == Expected(picture, top, left, 4, 4, mirror, 1, mean);
          }
        }
      }
      EXPECT_EQ(matches, 1) << ordinal;
    }
  }
}

TEST_F(MeanFileTest, MustFitTheImage) {
  const Transformer transformer = Make(WriteMean({3, 8, 8}));
  ExpectError(
      [&] {
        transformer.OutputSize({3, 8, 9}, NoName);
      },
      {"layer 'data' (Data)", "mean.binaryproto", "3 x 8 x 8", "an image is 3 x 8 x 9"});
  ExpectError([&] { Make(WriteMean({3, 8, 8}) + "mean_value: 1"); }, {"mean_file and mean_value"});
  ExpectError([&] { Make("mean_file: '" + (temp_ / "none") + "'"); }, {"none"});
}

// How often each (top, left, mirror) comes.
std::map<std::vector<int>, int> CountWindows(const Transformer& transformer, int n) {
  // 3 x 4 pixels, all different, crop 2: 2 * 3 places
  Picture picture({1, 3, 4}, false, false);
  for (size_t i = 0; i < 12; ++i) picture.bytes[i] = static_cast<uint8_t>(i);
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < n; ++i) {
    const std::vector<float> out = Apply(transformer, picture.image, static_cast<uint64_t>(i));
    const bool mirror = out[0] > out[1];
    const int corner = static_cast<int>(mirror ? out[1] : out[0]);
    ++counts[{corner / 4, corner % 4, mirror}];
  }
  return counts;
}

// All 12 outcomes come about equally often: 2400 / 12 = 200, standard deviation 13.5.
TEST(TransformerTest, RandomWindowsAreUniform) {
  const auto counts = CountWindows(Make("crop_size: 2 mirror: true"), 2400);
  EXPECT_EQ(counts.size(), 12u);
  for (const auto& [window, count] : counts) EXPECT_NEAR(count, 200, 70);
}

TEST(TransformerTest, MirrorsInTestToo) {
  const auto counts = CountWindows(Make("crop_size: 2 mirror: true", Phase::kTest), 400);
  ASSERT_EQ(counts.size(), 2u);  // (3 - 2) / 2 = 0, (4 - 2) / 2 = 1
  EXPECT_NEAR(counts.at({0, 1, 0}), 200, 50);
  EXPECT_NEAR(counts.at({0, 1, 1}), 200, 50);
}

TEST(TransformerTest, RandomnessDependsOnKeyAndOrdinalAlone) {
  const Picture picture({3, 32, 32}, false, false);
  const Transformer transformer = Make("crop_size: 8 mirror: true");
  int same = 0;
  for (uint64_t ordinal = 0; ordinal < 20; ++ordinal) {
    EXPECT_EQ(Apply(transformer, picture.image, ordinal, 5),
              Apply(Make("crop_size: 8 mirror: true"), picture.image, ordinal, 5));
    same += Apply(transformer, picture.image, ordinal, 5) ==
            Apply(transformer, picture.image, ordinal, 6);
  }
  EXPECT_LE(same, 1);
}

TEST(TransformerTest, RefusesWhatDoesNotFit) {
  ExpectError([] { Make("force_color: true force_gray: true"); }, {"force_color and force_gray"});
  ExpectError([] { Make("crop_size: 4000000000"); }, {"crop_size"});
  EXPECT_EQ(Make("force_color: true").color(), ColorMode::kColor);
  EXPECT_EQ(Make("force_gray: true").color(), ColorMode::kGray);
  EXPECT_EQ(Make("").color(), ColorMode::kAsStored);

  ExpectError(
      [] {
        Make("crop_size: 9").OutputSize({3, 8, 20}, NoName);
      },
      {"layer 'data'", "crop_size is 9", "an image is only 8 high and 20 wide"});
  ExpectError([] { Make("crop_size: 9").OutputSize({3, 20, 8}, NoName); }, {"crop_size"});
  EXPECT_EQ(Make("crop_size: 9").OutputSize({3, 9, 20}, NoName).ToString(), "3 x 9 x 9");
  ExpectError(
      [] {
        Make("mean_value: 1 mean_value: 2").OutputSize({3, 8, 8}, NoName);
      },
      {"mean_value is given 2 times", "3 channels"});
  EXPECT_EQ(Make("mean_value: 1 mean_value: 2").OutputSize({2, 8, 8}, NoName).channels, 2);
}

}  // namespace
}  // namespace crema::test
