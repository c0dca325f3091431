// Renders a data set of digits that needs no download: 28 x 28 grey pixels, white on black, like
// MNIST. Digits vary by font, stroke, slant, rotation, size, place, blur and noise; some are partly
// hidden. Image i of a set is a function of (set, i), so each run makes the same files.
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "crema.pb.h"
#include "crema/dev/philox.h"
#include "data/record_writer.h"

namespace {

constexpr int kSide = 28;     // of an image
constexpr int kCanvas = 112;  // digits are drawn four times as large, then made smaller
constexpr int kTrain = 20000, kTest = 4000;

constexpr std::array<int, 8> kFonts = {
    cv::FONT_HERSHEY_SIMPLEX,        cv::FONT_HERSHEY_PLAIN,         cv::FONT_HERSHEY_DUPLEX,
    cv::FONT_HERSHEY_COMPLEX,        cv::FONT_HERSHEY_TRIPLEX,       cv::FONT_HERSHEY_COMPLEX_SMALL,
    cv::FONT_HERSHEY_SCRIPT_SIMPLEX, cv::FONT_HERSHEY_SCRIPT_COMPLEX};

// The random numbers of one image.
class Dice {
 public:
  Dice(uint64_t set, uint64_t image) : random_(crema::MixKeys(set, 0)), image_(image) {}
  float Between(float low, float high) {
    return low + (high - low) * crema::RandomUniform(random_, image_, next_++);
  }
  int Below(int n) {
    return static_cast<int>(crema::RandomBelow(random_, image_, next_++, static_cast<uint32_t>(n)));
  }

 private:
  uint64_t random_, image_, next_ = 0;
};

// The digit, large and upright, in the middle.
cv::Mat DrawDigit(int digit, Dice* dice) {
  const std::string text(1, static_cast<char>('0' + digit));
  int font = kFonts[dice->Below(static_cast<int>(kFonts.size()))];
  if (dice->Below(4) == 0) font |= cv::FONT_ITALIC;
  const int thickness = 4 + dice->Below(9);
  int baseline = 0;
  const cv::Size unit = cv::getTextSize(text, font, 1, 1, &baseline);
  const double scale = 62.0 / unit.height;
  const cv::Size size = cv::getTextSize(text, font, scale, thickness, &baseline);
  cv::Mat canvas = cv::Mat::zeros(kCanvas, kCanvas, CV_8UC1);
  cv::putText(canvas, text, {(kCanvas - size.width) / 2, (kCanvas + size.height) / 2}, font, scale,
              cv::Scalar(255), thickness, cv::LINE_AA);
  return canvas;
}

// Rotation, shear, scale and shift about the middle, as one affine map.
cv::Mat Bend(const cv::Mat& digit, Dice* dice) {
  const double angle = dice->Between(-0.42f, 0.42f), shear = dice->Between(-0.35f, 0.35f);
  const double across = dice->Between(0.65f, 1.25f), down = dice->Between(0.75f, 1.25f);
  const double c = std::cos(angle), s = std::sin(angle), middle = kCanvas / 2.0;
  cv::Matx23d map(across * c, down * (shear * c - s), 0, across * s, down * (shear * s + c), 0);
  map(0, 2) = middle - map(0, 0) * middle - map(0, 1) * middle + dice->Between(-14, 14);
  map(1, 2) = middle - map(1, 0) * middle - map(1, 1) * middle + dice->Between(-14, 14);
  cv::Mat bent;
  cv::warpAffine(digit, bent, map, digit.size(), cv::INTER_LINEAR);
  return bent;
}

// A dark bar across the digit, as of a pen that ran dry.
void HideAPart(cv::Mat* digit, Dice* dice) {
  if (dice->Below(4) != 0) return;
  const auto place = [&] { return static_cast<int>(dice->Between(20, kCanvas - 20)); };
  const cv::Point from(place(), place()), to(place(), place());
  cv::line(*digit, from, to, cv::Scalar(0), 4 + dice->Below(7));
}

void AddNoise(cv::Mat* image, Dice* dice) {
  const float strength = dice->Between(0, 42), contrast = dice->Between(0.55f, 1);
  for (int y = 0; y < kSide; ++y) {
    uint8_t* row = image->ptr<uint8_t>(y);
    for (int x = 0; x < kSide; ++x) {
      const float noise = dice->Between(-1, 1) + dice->Between(-1, 1);
      row[x] = cv::saturate_cast<uint8_t>(row[x] * contrast + strength * noise);
    }
  }
}

cv::Mat MakeImage(int digit, Dice* dice) {
  cv::Mat canvas = Bend(DrawDigit(digit, dice), dice);
  HideAPart(&canvas, dice);
  const double blur = dice->Between(0.5f, 5.0f);
  cv::GaussianBlur(canvas, canvas, cv::Size(), blur);
  cv::Mat image;
  cv::resize(canvas, image, cv::Size(kSide, kSide), 0, 0, cv::INTER_AREA);
  AddNoise(&image, dice);
  return image;
}

void MakeSet(uint64_t set, int count, const std::string& database) {
  crema::RecordWriter writer(crema::Backend::kLmdb, database);
  crema::proto::Datum datum;
  datum.set_channels(1);
  datum.set_height(kSide);
  datum.set_width(kSide);
  for (int i = 0; i < count; ++i) {
    Dice dice(set, static_cast<uint64_t>(i));
    const int digit = dice.Below(10);
    const cv::Mat image = MakeImage(digit, &dice);
    datum.set_data(image.data, kSide * kSide);
    datum.set_label(digit);
    char key[16];
    std::snprintf(key, sizeof key, "%08d", i);
    writer.Put(key, datum.SerializeAsString());
    if ((i + 1) % 5000 == 0) std::cout << database << ": " << i + 1 << " digits" << std::endl;
  }
  writer.Finish();
  std::cout << database << ": " << count << " digits, done" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] == '-') {
    std::cerr << "usage: make_digits OUT\nmakes OUT/train_lmdb (" << kTrain
              << " digits) and OUT/test_lmdb (" << kTest << ")\n";
    return 2;
  }
  try {
    cv::setNumThreads(1);
    std::filesystem::create_directories(argv[1]);
    MakeSet(1, kTrain, std::string(argv[1]) + "/train_lmdb");
    MakeSet(2, kTest, std::string(argv[1]) + "/test_lmdb");
  } catch (const std::exception& error) {
    std::cerr << "make_digits: " << error.what() << std::endl;
    return 1;
  }
  return 0;
}
