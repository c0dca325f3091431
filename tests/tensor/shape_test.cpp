#include "crema/shape.h"

#include <limits>

#include "crema/layout.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

TEST(ShapeTest, CountsElements) {
  const Shape shape{2, 3, 4, 5};
  EXPECT_EQ(shape.rank(), 4);
  EXPECT_EQ(shape.count(), 120);
  EXPECT_EQ(shape.Count(1, 3), 12);
  EXPECT_EQ(shape.Count(2, 2), 1);
  EXPECT_EQ(shape.CountFrom(1), 60);
  EXPECT_EQ(shape.CountFrom(4), 1);
  EXPECT_EQ(Shape().count(), 1);
  EXPECT_EQ((Shape{0, 7}.count()), 0);
}

TEST(ShapeTest, NegativeAxesCountFromTheEnd) {
  Shape shape{2, 3, 4};
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[-1], 4);
  EXPECT_EQ(shape[-3], 2);
  shape.at(-2) = 9;
  EXPECT_EQ(shape, (Shape{2, 9, 4}));
}

TEST(ShapeTest, CanonicalAxis) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.CanonicalAxis(0, "axis"), 0);
  EXPECT_EQ(shape.CanonicalAxis(2, "axis"), 2);
  EXPECT_EQ(shape.CanonicalAxis(-1, "axis"), 2);
  EXPECT_EQ(shape.CanonicalAxis(-3, "axis"), 0);
  for (int axis : {3, -4}) {
    ExpectError(
        [&] { shape.CanonicalAxis(axis, "layer 'fc' (InnerProduct): axis"); },
        {"layer 'fc' (InnerProduct): axis is " + std::to_string(axis), "from -3 to 2", "2 3 4"});
  }
}

TEST(ShapeTest, PrintsAsCaffeDoes) {
  EXPECT_EQ((Shape{64, 1, 28, 28}.ToString()), "64 1 28 28 (50176)");
  EXPECT_EQ(Shape{7}.ToString(), "7 (7)");
  EXPECT_EQ(Shape().ToString(), "(1)");
}

TEST(ShapeTest, Compares) {
  EXPECT_EQ((Shape{1, 2}), Shape(std::vector<int64_t>{1, 2}));
  EXPECT_NE((Shape{1, 2}), (Shape{2, 1}));
  EXPECT_NE((Shape{1, 2}), (Shape{1, 2, 1}));
}

TEST(ShapeTest, RefusesImpossibleShapes) {
  ExpectError([] { Shape({3, -1}); }, {"3 -1", "at least 0"});
  ExpectError([] { Shape(std::vector<int64_t>(33, 1)); }, {"33 axes", "32"});
  EXPECT_EQ(Shape(std::vector<int64_t>(32, 1)).rank(), 32);
  const int64_t half = int64_t{1} << 24;
  EXPECT_EQ((Shape{half, half}.count()), half * half);
  ExpectError([&] { Shape({half, half + 1}); }, {"16777216 16777217", "too many elements"});
}

// The product of some axes may overflow although the count is 0.
TEST(ShapeTest, EmptyShapesMayNotHaveHugeAxes) {
  const int64_t large = int64_t{1} << 32;
  for (const std::vector<int64_t>& dims :
       {std::vector<int64_t>{0, large, large}, {large, 0, large}, {large, large, 0}}) {
    ExpectError([&] { Shape shape(dims); }, {"4294967296", "too many elements"});
  }
  const Shape fits{0, 1 << 24, 1 << 24};
  EXPECT_EQ(fits.count(), 0);
  EXPECT_EQ(fits.CountFrom(1), int64_t{1} << 48);
}

TEST(ShapeTest, WrongUseThrows) {
  Shape shape{2, 3};
  ExpectError([&] { (void)shape[2]; }, {"the axis is 2, but must be from -2 to 1", "2 3 (6)"});
  ExpectError([&] { shape.at(-3) = 1; }, {"the axis is -3"});
  ExpectError([&] { (void)shape[std::numeric_limits<int>::min()]; }, {"must be from -2 to 1"});
  ExpectError([&] { shape.Count(1, 3); }, {"from 1 to before 3", "2 3 (6)"});
  ExpectError([&] { shape.Count(2, 1); }, {"from 2 to before 1"});
  shape.at(0) = shape.at(1) = int64_t{1} << 32;
  ExpectError([&] { shape.count(); }, {"4294967296 4294967296", "too many elements"});
  shape.at(0) = shape.at(1) = -3;
  ExpectError([&] { shape.count(); }, {"the shape -3 -3 has extent -3", "at least 0"});
}

TEST(ViewChannelsTest, PlainAndChannelsLast) {
  const auto expect = [](const ChannelView& view, int64_t outer, int channels, int inner) {
    EXPECT_EQ(view.outer, outer);
    EXPECT_EQ(view.channels, channels);
    EXPECT_EQ(view.inner, inner);
  };
  const Shape shape{2, 3, 4, 5};
  expect(ViewChannels(shape, Layout::kPlain), 2, 3, 20);
  expect(ViewChannels(shape, Layout::kChannelsLast), 40, 3, 1);
  expect(ViewChannels(shape, Layout::kPlain, 0), 1, 2, 60);
  expect(ViewChannels(shape, Layout::kPlain, 3), 24, 5, 1);
  expect(ViewChannels(Shape{6, 7}, Layout::kPlain), 6, 7, 1);
  expect(ViewChannels(Shape{6, 7}, Layout::kChannelsLast), 6, 7, 1);
  expect(ViewChannels(Shape{6}, Layout::kPlain), 6, 1, 1);  // no channel axis: one channel
  expect(ViewChannels(Shape{0, 3, 4}, Layout::kPlain), 0, 3, 4);
}

TEST(ViewChannelsTest, RefusesChannelsElsewhere) {
  ExpectError([] { ViewChannels(Shape{2, 3, 4}, Layout::kChannelsLast, 2); }, {"axis 1", "axis 2"});
}

TEST(ViewChannelsTest, RefusesAxesBeyondInt) {
  const int64_t large = int64_t{std::numeric_limits<int>::max()} + 1;
  ExpectError([&] { ViewChannels(Shape{1, large}, Layout::kPlain); }, {"too large"});
  ExpectError([&] { ViewChannels(Shape{1, 1, large}, Layout::kPlain); }, {"too large"});
}

TEST(LayoutTest, HasNames) {
  EXPECT_STREQ(ToString(Layout::kPlain), "plain");
  EXPECT_STREQ(ToString(Layout::kChannelsLast), "channels-last");
}

}  // namespace
}  // namespace crema::test
