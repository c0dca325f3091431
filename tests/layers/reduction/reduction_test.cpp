#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ReductionTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ReductionTest);

std::string Reduction(const std::string& options) {
  return "type: 'Reduction' reduction_param { " + options + " }";
}

// (1 -2 3), (-4 5 -6) along the last axis, times 0.5.
TEST_P(ReductionTest, GoldenValues) {
  const std::vector<std::pair<std::string, std::vector<double>>> cases = {
      {"SUM", {1, -2.5}}, {"ASUM", {3, 7.5}}, {"SUMSQ", {7, 38.5}}, {"MEAN", {1.0 / 3, -2.5 / 3}}};
  for (const auto& [operation, expected] : cases) {
    LayerRunner runner(Reduction("axis: 1 coeff: 0.5 operation: " + operation), {Shape{2, 3}},
                       On());
    runner.SetBottom(0, {1, -2, 3, -4, 5, -6});
    runner.Forward();
    EXPECT_EQ(runner.top_shape(), Shape{2});
    ExpectNear(runner.Top(), expected, 1e-15);
  }
}

TEST_P(ReductionTest, IsOfEverythingByDefault) {
  LayerRunner runner("type: 'Reduction'", {Shape{2, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 5});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), Shape{});
  ExpectNear(runner.Top(), {11}, 0);
}

TEST_P(ReductionTest, GradientsAgreeWithDifferences) {
  for (const char* operation : {"SUM", "ASUM", "SUMSQ", "MEAN"}) {
    for (int axis : {0, 1, -1}) {
      LayerRunner runner(Reduction(Concat("coeff: 1.5 axis: ", axis, " operation: ", operation)),
                         {Shape{2, 3, 4}}, On());
      GradientCheck check;
      check.kink_range = 0.01;
      CheckGradients(runner, check);
    }
  }
}

TEST_P(ReductionTest, TakesAnEmptyBatch) {
  for (int axis : {0, 1}) {
    LayerRunner runner(Reduction(Concat("axis: ", axis, " operation: MEAN")), {Shape{0, 3}}, On());
    runner.Forward();
    runner.Backward();
    ExpectNear(runner.Top(), std::vector<double>(1 - axis, 0), 0);
  }
}

TEST_P(ReductionTest, RefusesAnAxisThatIsNotThere) {
  ExpectError(
      [&] {
        LayerRunner(Reduction("axis: 2"), {Shape{2, 3}}, On());
      },
      {"'test' (Reduction)", "axis"});
}

}  // namespace
}  // namespace crema::test
