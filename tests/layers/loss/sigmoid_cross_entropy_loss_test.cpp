#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SigmoidCrossEntropyLossTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(SigmoidCrossEntropyLossTest);

std::string Loss(const std::string& options = "") {
  return "type: 'SigmoidCrossEntropyLoss' loss_param { " + options + " }";
}

double CrossEntropy(double x, double t) {
  const double p = 1 / (1 + std::exp(-x));
  return -t * std::log(p) - (1 - t) * std::log(1 - p);
}

// The batch size divides by default.
TEST_P(SigmoidCrossEntropyLossTest, FollowsItsFormula) {
  LayerRunner runner(Loss(), {Shape{3, 4}, Shape{3, 4}}, On());
  const std::vector<double> x = RandomValues(12, 3, 0, 3),
                            t = {0, 1, 0.25, 0.5, 1, 1, 0, 0, 0.1, 0.9, 1, 0};
  runner.SetBottom(0, x);
  runner.SetBottom(1, t);
  runner.Forward();
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += CrossEntropy(x[i], t[i]);
  ExpectNear(runner.Top(), {sum / 3}, 1e-13);
}

// log(1 + e^-800) is nothing, and 800 is the cost of being wrong by that much.
TEST_P(SigmoidCrossEntropyLossTest, StaysFinite) {
  LayerRunner runner(Loss(), {Shape{1, 4}, Shape{1, 4}}, On());
  runner.SetBottom(0, {800, 800, -800, -800});
  runner.SetBottom(1, {1, 0, 1, 0});
  runner.SetTopDiff(0, {1});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {1600}, 1e-13);
  ExpectNear(runner.BottomDiff(0), {0, 1, -1, 0}, 1e-13);
}

// 8 values of which 2 are ignored (5 and 5.5, whose whole part is 5), in 2 items.
TEST_P(SigmoidCrossEntropyLossTest, NormalizesAsAsked) {
  const std::vector<std::pair<std::string, double>> cases = {
      {"", 2},
      {"normalization: BATCH_SIZE", 2},
      {"normalization: FULL", 8},
      {"normalization: VALID", 6},
      {"normalization: NONE", 1},
      {"normalize: true", 6},
      {"normalize: false", 2},
      {"normalize: true normalization: FULL", 8}};
  for (const auto& [options, divisor] : cases) {
    SCOPED_TRACE(options);
    LayerRunner runner(Loss("ignore_label: 5 " + options), {Shape{2, 4}, Shape{2, 4}}, On());
    runner.SetBottom(0, std::vector<double>(8, 0));
    runner.SetBottom(1, {1, 5, 0, 1, 5.5, 0, 0, 1});
    runner.SetTopDiff(0, {1});
    runner.Forward();
    runner.Backward();
    ExpectNear(runner.Top(), {6 * std::log(2.0) / divisor}, 1e-13);
    std::vector<double> slopes = {-0.5, 0, 0.5, -0.5, 0, 0.5, 0.5, -0.5};
    for (double& slope : slopes) slope /= divisor;
    ExpectNear(runner.BottomDiff(0), slopes, 1e-13);
  }
}

TEST_P(SigmoidCrossEntropyLossTest, GradientsAgreeWithDifferences) {
  for (const char* options : {"", "ignore_label: 1 normalization: VALID"}) {
    LayerRunner runner(Loss(options), {Shape{3, 4, 2}, Shape{3, 8}}, On());
    runner.SetBottom(1, RandomLabels(24, 2));
    CheckGradients(runner);
  }
}

TEST_P(SigmoidCrossEntropyLossTest, TakesAnEmptyBatch) {
  LayerRunner runner(Loss(), {Shape{0, 3}, Shape{0, 3}}, On());
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0}, 0);
}

TEST_P(SigmoidCrossEntropyLossTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(Loss(), {Shape{2, 3}, Shape{2}}, On());
      },
      {"'test' (SigmoidCrossEntropyLoss)", "2 3 (6)", "2 (2)", "one target per score"});
}

}  // namespace
}  // namespace crema::test
