#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class EuclideanLossTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(EuclideanLossTest);

const char kLoss[] = "type: 'EuclideanLoss'";

// ((1 - 3)^2 + (2 - 2)^2 + 0 + 6^2) / 2 / 2 items = 10; the gradients are differences / 2, times 3.
TEST_P(EuclideanLossTest, GoldenValues) {
  LayerRunner runner(kLoss, {Shape{2, 2}, Shape{2, 2, 1}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.SetBottom(1, {3, 2, 3, -2});
  runner.SetTopDiff(0, {3});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), Shape{});
  ExpectNear(runner.Top(), {10}, 1e-15);
  ExpectNear(runner.BottomDiff(0), {-3, 0, 0, 9}, 1e-15);
  ExpectNear(runner.BottomDiff(1), {3, 0, 0, -9}, 1e-15);
}

TEST_P(EuclideanLossTest, GradientsAgreeWithDifferences) {
  LayerRunner runner(kLoss, {Shape{3, 4, 5}, Shape{3, 4, 5}}, On());
  CheckGradients(runner);
}

TEST_P(EuclideanLossTest, SendsToTheBottomThatAsks) {
  LayerRunner runner(kLoss, {Shape{2}, Shape{2}}, On());
  runner.Forward();
  runner.Backward({true, true});
  const std::vector<double> first = runner.BottomDiff(0);
  runner.SetTopDiff(0, {100});
  runner.Backward({false, true});
  ExpectNear(runner.BottomDiff(0), first, 0);
}

TEST_P(EuclideanLossTest, TakesAnEmptyBatch) {
  LayerRunner runner(kLoss, {Shape{0, 3}, Shape{0, 3}}, On());
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0}, 0);
}

TEST_P(EuclideanLossTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(kLoss, {Shape{2, 3}, Shape{3, 2}}, On());
      },
      {"'test' (EuclideanLoss)", "2 3 (6)", "3 2 (6)"});
}

}  // namespace
}  // namespace crema::test
