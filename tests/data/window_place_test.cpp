#include "data/window_place.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <random>
#include <string>

#include "base/rounding.h"

extern "C" void PlaceWindowWithFma(const int* shape, const int* window, const int* image,
                                   int* place);

namespace crema::test {
namespace {

using Numbers = std::array<int, 8>;

Numbers NumbersOf(const Placement& p) {
  return {p.from.x1, p.from.y1, p.from.x2, p.from.y2, p.height, p.width, p.top, p.left};
}

struct Case {
  WindowShape shape;
  WindowBox window;
  int height, width;
  bool mirrored;
};

Numbers WithFma(const Case& c) {
  const int shape[] = {c.shape.crop_size, c.shape.context_pad, c.shape.square ? 1 : 0};
  const int window[] = {c.window.x1, c.window.y1, c.window.x2, c.window.y2};
  const int image[] = {c.height, c.width, c.mirrored ? 1 : 0};
  Numbers place;
  PlaceWindowWithFma(shape, window, image, place.data());
  return place;
}

Numbers Place(const Case& c) {
  return NumbersOf(PlaceWindow(c.shape, c.window, c.height, c.width, c.mirrored));
}

bool ProcessorFuses() {
  std::ifstream file("/proc/cpuinfo");
  std::string word;
  while (file >> word) {
    if (word == "fma" || word == "Features") return true;  // x86-64, ARM
  }
  return false;
}

// The corner of a window, center - half * grow, in single precision.
int Corner(int first, int last, int crop, int pad, bool fused) {
  const float grow = static_cast<float>(crop) / static_cast<float>(crop - 2 * pad);
  const float half = static_cast<float>(last - first + 1) / 2;
  const float center = static_cast<float>(first) + half;
  volatile float product = half * grow;  // rounded
  const float corner = fused ? std::fma(-half, grow, center) : center - product;
  return static_cast<int>(std::round(corner));
}

TEST(WindowPlaceTest, WithoutContextTheWindowIsStretched) {
  EXPECT_EQ(Place({{227, 0, false}, {3, 4, 10, 20}, 100, 100, false}),
            (Numbers{3, 4, 10, 20, 227, 227, 0, 0}));
}

// R-CNN's own shape: 227 pixels with 16 of context. 99 x 99 pixels around (150, 150) become
// 99 * 227 / 195 = 115.2 wide and high: from 92.4 to 207.6.
TEST(WindowPlaceTest, AddsContext) {
  EXPECT_EQ(Place({{227, 16, false}, {100, 100, 198, 198}, 400, 300, false}),
            (Numbers{92, 92, 207, 207, 227, 227, 0, 0}));
  // At the left edge 8 of 116 columns are not there: 8 * 227 / 116 = 15.7.
  EXPECT_EQ(Place({{227, 16, false}, {0, 100, 98, 198}, 400, 300, false}),
            (Numbers{0, 92, 107, 207, 227, 211, 0, 16}));
  EXPECT_EQ(Place({{227, 16, false}, {0, 100, 98, 198}, 400, 300, true}),
            (Numbers{0, 92, 107, 207, 227, 211, 0, 0}));
}

// Corners that hang on the last bit of a sum are those of single precision, each step rounded, in
// both builds.
TEST(WindowPlaceTest, DoesNotHangOnTheProcessor) {
  const bool fuses = ProcessorFuses();
  std::mt19937 random(1);
  const auto below = [&](int most) {
    return static_cast<int>(random() % static_cast<unsigned>(most));
  };
  int differ = 0;
  for (int i = 0; i < 300000; ++i) {
    const int crop = 20 + 2 * below(120), pad = 1 + below(crop / 2 - 1);
    const int x1 = below(400), y1 = below(400);
    const WindowBox window = {x1, y1, x1 + below(300), y1 + below(300)};
    const Case c = {{crop, pad, false}, window, 100000, 100000, false};
    const int x = Corner(window.x1, window.x2, crop, pad, false);
    differ += x != Corner(window.x1, window.x2, crop, pad, true) ? 1 : 0;
    const Numbers here = Place(c);
    ASSERT_EQ(here[0], std::max(0, x)) << i;
    ASSERT_EQ(fuses ? WithFma(c) : here, here) << i;
  }
  EXPECT_GT(differ, 0) << "no case hangs on it";
  if (!fuses) GTEST_SKIP() << "this processor cannot fuse a product and a sum";
}

TEST(WindowPlaceTest, CountsTheForeground) {
  EXPECT_EQ(ForegroundCount(128, 0.25f), 32);
  EXPECT_EQ(ForegroundCount(3, 0.5f), 1);
  EXPECT_EQ(ForegroundCount(10, 0.1f), 1);  // 0.1f is above 0.1
  EXPECT_EQ(ForegroundCount(10, 0.7f), 7);  // 0.7f is below 0.7, but the product rounds up
  EXPECT_EQ(ForegroundCount(7, 0), 0);
  EXPECT_EQ(ForegroundCount(7, 1), 7);
}

TEST(RoundingTest, HalvesGoAwayFromZeroAndTheRestStaysInRange) {
  EXPECT_EQ(RoundToInt(2.5f), 3);
  EXPECT_EQ(RoundToInt(-2.5f), -3);
  EXPECT_EQ(RoundToInt(2.4999998f), 2);
  EXPECT_EQ(RoundToInt(1e30f), 1 << 29);
  EXPECT_EQ(RoundToInt(-1e30f), -(1 << 29));
  EXPECT_EQ(RoundToInt(HUGE_VALF), 1 << 29);
}

}  // namespace
}  // namespace crema::test
