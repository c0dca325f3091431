#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ContrastiveLossTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ContrastiveLossTest);

const char kLoss[] = "type: 'ContrastiveLoss' contrastive_loss_param { margin: 2 }";
const char kLegacy[] =
    "type: 'ContrastiveLoss' contrastive_loss_param { margin: 2 legacy_version: true }";

// Distances 5 (alike: 25), 1 (not: (2 - 1)^2 = 1), 5 (not: 0); over 2 * 3 pairs.
TEST_P(ContrastiveLossTest, GoldenValues) {
  LayerRunner runner(kLoss, {Shape{3, 2}, Shape{3, 2}, Shape{3}}, On());
  runner.SetBottom(0, {3, 4, 1, 0, 0, 5});
  runner.SetBottom(1, {0, 0, 0, 0, 0, 0});
  runner.SetBottom(2, {1, 0, 0});
  runner.SetTopDiff(0, {3});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {26.0 / 6}, 1e-14);
  const double pull = -1 / (1 + 1e-4);
  ExpectNear(runner.BottomDiff(0), {3, 4, pull, 0, 0, 0}, 1e-14);
  ExpectNear(runner.BottomDiff(1), {-3, -4, -pull, 0, 0, 0}, 1e-14);
}

// 25 and 2 - 1^2 = 1.
TEST_P(ContrastiveLossTest, GoldenLegacyValues) {
  LayerRunner runner(kLegacy, {Shape{3, 2}, Shape{3, 2}, Shape{3, 1, 1, 1}}, On());
  runner.SetBottom(0, {3, 4, 1, 0, 0, 5});
  runner.SetBottom(1, {0, 0, 0, 0, 0, 0});
  runner.SetBottom(2, {1, 0, 0});
  runner.SetTopDiff(0, {3});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {26.0 / 6}, 1e-14);
  ExpectNear(runner.BottomDiff(0), {3, 4, -1, 0, 0, 0}, 1e-14);
}

// The guard of 1e-4 in the slope is as good as nothing at these distances.
TEST_P(ContrastiveLossTest, GradientsAgreeWithDifferences) {
  for (const char* text : {kLoss, kLegacy}) {
    LayerRunner runner(text, {Shape{6, 3}, Shape{6, 3, 1}, Shape{6}}, On());
    runner.SetBottom(2, {1, 0, 0, 1, 0, 1});
    GradientCheck check;
    check.tolerance = 2e-4;  // for the guard
    CheckGradients(runner, check);
  }
}

TEST_P(ContrastiveLossTest, TakesAnEmptyBatch) {
  LayerRunner runner(kLoss, {Shape{0, 3}, Shape{0, 3}, Shape{0}}, On());
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0}, 0);
}

TEST_P(ContrastiveLossTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(kLoss, {Shape{2, 3}, Shape{2, 4}, Shape{2}}, On());
      },
      {"'test' (ContrastiveLoss)", "2 3 (6)", "2 4 (8)"});
  ExpectError(
      [&] {
        LayerRunner(kLoss, {Shape{2, 3}, Shape{2, 3}, Shape{3}}, On());
      },
      {"bottom 2", "3 (3)", "pair (2)"});
}

}  // namespace
}  // namespace crema::test
