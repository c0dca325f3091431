#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class MultinomialLogisticLossTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(MultinomialLogisticLossTest);

const char kLoss[] = "type: 'MultinomialLogisticLoss'";

// -(log 0.5 + log 0.25) / 2; the gradients are -1 / p / 2, times 4.
TEST_P(MultinomialLogisticLossTest, GoldenValues) {
  LayerRunner runner(kLoss, {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(0, {0.5, 0.2, 0.3, 0.7, 0.05, 0.25});
  runner.SetBottom(1, {0, 2});
  runner.SetTopDiff(0, {4});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {1.5 * std::log(2.0)}, 1e-15);
  ExpectNear(runner.BottomDiff(0), {-4, 0, 0, 0, 0, -8}, 1e-14);
}

// -log 1e-20 is the most that an item costs.
TEST_P(MultinomialLogisticLossTest, ProbabilitiesOfNothing) {
  LayerRunner runner(kLoss, {Shape{1, 2}, Shape{1}}, On());
  runner.SetBottom(0, {0, 1});
  runner.SetBottom(1, {0});
  runner.Forward();
  ExpectNear(runner.Top(), {20 * std::log(10.0)}, 1e-12);
}

TEST_P(MultinomialLogisticLossTest, GradientsAgreeWithDifferences) {
  LayerRunner runner(kLoss, {Shape{5, 4}, Shape{5, 1, 1, 1}}, On());
  std::vector<double> probabilities = RandomValues(20, 3);
  for (double& p : probabilities) p = 0.3 + 0.1 * std::tanh(p);
  runner.SetBottom(0, probabilities);
  runner.SetBottom(1, RandomLabels(5, 4));
  CheckGradients(runner);
}

TEST_P(MultinomialLogisticLossTest, NamesBadLabels) {
  LayerRunner runner(kLoss, {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(1, {-1, 1});
  runner.Forward();
  EXPECT_NE(
      runner.layer().CheckAfterForward(runner.context()).find("the first is -1 at position 0"),
      std::string::npos);
}

TEST_P(MultinomialLogisticLossTest, TakesAnEmptyBatch) {
  LayerRunner runner(kLoss, {Shape{0, 3}, Shape{0}}, On());
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0}, 0);
}

TEST_P(MultinomialLogisticLossTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(kLoss, {Shape{2, 3}, Shape{2, 3}}, On());
      },
      {"'test' (MultinomialLogisticLoss)", "2 labels", "2 3 (6)"});
}

}  // namespace
}  // namespace crema::test
