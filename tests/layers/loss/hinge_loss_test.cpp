#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class HingeLossTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(HingeLossTest);

const char kL1[] = "type: 'HingeLoss'";
const char kL2[] = "type: 'HingeLoss' hinge_loss_param { norm: L2 }";

// Item 0 (label 1): max(0, 1 + 0.5) + max(0, 1 - 0.25) + max(0, 1 - 2) = 1.5 + 0.75;
// item 1 (label 0): max(0, 1 - 3) + max(0, 1 + 0) + max(0, 1 - 1) = 1. Half of the sum.
TEST_P(HingeLossTest, GoldenValues) {
  LayerRunner runner(kL1, {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(0, {0.5, 0.25, -2, 3, 0, -1});
  runner.SetBottom(1, {1, 0});
  runner.SetTopDiff(0, {4});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {1.625}, 1e-15);
  ExpectNear(runner.BottomDiff(0), {2, -2, 0, 0, 2, 0}, 1e-15);
}

// 1.5^2 + 0.75^2 + 1 = 3.8125.
TEST_P(HingeLossTest, GoldenSquares) {
  LayerRunner runner(kL2, {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(0, {0.5, 0.25, -2, 3, 0, -1});
  runner.SetBottom(1, {1, 0});
  runner.SetTopDiff(0, {4});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {3.8125 / 2}, 1e-15);
  ExpectNear(runner.BottomDiff(0), {6, -3, 0, 0, 4, 0}, 1e-15);
}

TEST_P(HingeLossTest, GradientsAgreeWithDifferences) {
  for (const char* text : {kL1, kL2}) {
    LayerRunner runner(text, {Shape{5, 2, 3}, Shape{5, 1}}, On());
    runner.SetBottom(0, RandomValues(30, 3, 0, 0.3));  // far from the kinks at -1 and 1
    runner.SetBottom(1, RandomLabels(5, 6));
    CheckGradients(runner);
  }
}

TEST_P(HingeLossTest, NamesBadLabels) {
  LayerRunner runner(kL1, {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(1, {1, 3});
  runner.Forward();
  EXPECT_NE(runner.layer().CheckAfterForward(runner.context()).find("the first is 3 at position 1"),
            std::string::npos);
}

TEST_P(HingeLossTest, TakesAnEmptyBatch) {
  LayerRunner runner(kL2, {Shape{0, 3}, Shape{0}}, On());
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0}, 0);
}

TEST_P(HingeLossTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(kL1, {Shape{2, 3}, Shape{3}}, On());
      },
      {"'test' (HingeLoss)", "2 3 (6)", "2 labels", "3 (3)"});
}

}  // namespace
}  // namespace crema::test
