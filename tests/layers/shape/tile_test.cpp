#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class TileTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(TileTest);

TEST_P(TileTest, RepeatsAlongAnAxis) {
  LayerRunner runner("type: 'Tile' tile_param { tiles: 2 }", {Shape{2, 1, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 2, 2}));
  ExpectNear(runner.Top(), {1, 2, 1, 2, 3, 4, 3, 4}, 0);
}

TEST_P(TileTest, RepeatsTheLastAxis) {
  LayerRunner runner("type: 'Tile' tile_param { axis: -1 tiles: 3 }", {Shape{2, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.SetTopDiff(0, {1, 2, 3, 4, 5, 6, 0, 0, 1, 0, 0, 1});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}, 0);
  ExpectNear(runner.BottomDiff(), {9, 12, 1, 1}, 0);
}

TEST_P(TileTest, GradientsAgreeWithDifferences) {
  for (int axis : {0, 1, 2}) {
    LayerRunner runner(Concat("type: 'Tile' tile_param { axis: ", axis, " tiles: 3 }"),
                       {Shape{2, 3, 4}}, On());
    CheckGradients(runner);
  }
}

TEST_P(TileTest, TakesAnEmptyBatch) {
  LayerRunner runner("type: 'Tile' tile_param { tiles: 2 }", {Shape{0, 3}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 6}));
}

TEST_P(TileTest, NeedsTiles) {
  ExpectError(
      [&] {
        LayerRunner("type: 'Tile'", {Shape{2, 3}}, On());
      },
      {"'test' (Tile)", "tiles is missing"});
}

}  // namespace
}  // namespace crema::test
