#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SplitTest : public LayerTest {
 protected:
  RunnerOptions On(int tops) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(SplitTest);

TEST_P(SplitTest, EveryTopIsTheBottomAndGradientsAddUp) {
  for (int tops : {1, 2, 3, 5}) {
    SCOPED_TRACE(tops);
    LayerRunner runner("type: 'Split'", {Shape{2, 3}}, On(tops));
    runner.SetBottom(0, {1, 2, 3, 4, 5, 6});
    runner.Forward();
    std::vector<double> sum(6);
    for (int t = 0; t < tops; ++t) {
      EXPECT_EQ(runner.top_shape(t), (Shape{2, 3}));
      EXPECT_EQ(runner.Top(t), (std::vector<double>{1, 2, 3, 4, 5, 6}));
      const std::vector<double> dy = RandomLabels(6, 100, 60 + t);  // whole numbers add exactly
      runner.SetTopDiff(t, dy);
      for (size_t i = 0; i < 6; ++i) sum[i] += dy[i];
    }
    runner.Backward();
    EXPECT_EQ(runner.BottomDiff(), sum);
  }
}

TEST_P(SplitTest, GradientsAreRight) {
  LayerRunner runner("type: 'Split'", {Shape{2, 3, 2}}, On(3));
  CheckGradients(runner);
}

TEST_P(SplitTest, EmptyBatch) {
  LayerRunner runner("type: 'Split'", {Shape{0, 3}}, On(2));
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(1), (Shape{0, 3}));
}

}  // namespace
}  // namespace crema::test
