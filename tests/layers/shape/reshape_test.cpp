#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ReshapeLayerTest : public LayerTest {
 protected:
  LayerRunner MakeRunner(const std::string& options, const Shape& bottom) const {
    RunnerOptions on;
    on.device = device();
    return LayerRunner("type: 'Reshape' reshape_param { " + options + " }", {bottom}, on);
  }
  Shape TopOf(const std::string& options, const Shape& bottom) const {
    LayerRunner runner = MakeRunner(options, bottom);
    runner.Forward();
    runner.Backward();
    ExpectNear(runner.Top(), runner.Bottom(), 0);
    ExpectNear(runner.BottomDiff(), runner.TopDiff(), 0);
    return runner.top_shape();
  }
};
CREMA_ON_ALL_DEVICES(ReshapeLayerTest);

TEST_P(ReshapeLayerTest, GivesAnotherShape) {
  const Shape x{2, 8};
  EXPECT_EQ(TopOf("shape { dim: 2 dim: 2 dim: 4 }", x), (Shape{2, 2, 4}));
  EXPECT_EQ(TopOf("shape { dim: 0 dim: 2 dim: 4 }", x), (Shape{2, 2, 4}));
  EXPECT_EQ(TopOf("shape { dim: 0 dim: 2 dim: -1 }", x), (Shape{2, 2, 4}));
  EXPECT_EQ(TopOf("shape { dim: -1 dim: 0 dim: 1 }", x), (Shape{2, 8, 1}));
  EXPECT_EQ(TopOf("shape { dim: 2 dim: 4 } axis: 1", x), (Shape{2, 2, 4}));
  EXPECT_EQ(TopOf("shape { dim: 16 }", x), (Shape{16}));
}

// A negative axis counts back from behind the last one.
TEST_P(ReshapeLayerTest, TakesAxes) {
  const Shape x{2, 8};
  EXPECT_EQ(TopOf("shape { dim: 2 dim: 4 } axis: -2", x), (Shape{2, 2, 4}));
  EXPECT_EQ(TopOf("shape { dim: 1 } axis: -1 num_axes: 0", x), (Shape{2, 8, 1}));
  EXPECT_EQ(TopOf("shape { dim: 1 } axis: 1 num_axes: 0", x), (Shape{2, 1, 8}));
  EXPECT_EQ(TopOf("shape { dim: 6 } axis: 0 num_axes: 2", Shape{2, 3, 4}), (Shape{6, 4}));
  EXPECT_EQ(TopOf("shape { dim: -1 } axis: 1 num_axes: 1", Shape{2, 3, 4}), (Shape{2, 3, 4}));
  EXPECT_EQ(TopOf("axis: 1 num_axes: 1", Shape{2, 1, 4}), (Shape{2, 4}));
}

TEST_P(ReshapeLayerTest, TakesAnEmptyBatch) {
  EXPECT_EQ(TopOf("shape { dim: 0 dim: 2 dim: 4 }", Shape{0, 8}), (Shape{0, 2, 4}));
}

TEST_P(ReshapeLayerTest, RefusesWhatDoesNotFit) {
  const Shape x{2, 8};
  ExpectError([&] { MakeRunner("shape { dim: 3 dim: 5 }", x); },
              {"'test' (Reshape)", "2 8 (16)", "3 5 (15)"});
  ExpectError([&] { MakeRunner("shape { dim: 3 dim: -1 }", x); }, {"2 8 (16)", "3 1 (3)"});
  ExpectError([&] { MakeRunner("shape { dim: -1 dim: -1 }", x); }, {"-1 2 times"});
  ExpectError([&] { MakeRunner("shape { dim: -2 }", x); }, {"contains -2"});
  ExpectError([&] { MakeRunner("shape { dim: 2 dim: 8 dim: 0 }", x); }, {"keeps axis 2"});
  ExpectError([&] { MakeRunner("axis: 3", x); }, {"axis is 3", "from -3 to 2"});
  ExpectError([&] { MakeRunner("axis: 1 num_axes: 2", x); }, {"num_axes is 2", "from -1 to 1"});
}

}  // namespace
}  // namespace crema::test
