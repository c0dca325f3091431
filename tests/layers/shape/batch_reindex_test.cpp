#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class BatchReindexTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(BatchReindexTest);

const char kLayer[] = "type: 'BatchReindex'";

TEST_P(BatchReindexTest, TakesItemsByNumber) {
  LayerRunner runner(kLayer, {Shape{3, 2}, Shape{4}}, On());
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6});
  runner.SetBottom(1, {2, 0, 2, 2});
  runner.SetTopDiff(0, {1, 2, 3, 4, 5, 6, 7, 8});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{4, 2}));
  ExpectNear(runner.Top(), {5, 6, 1, 2, 5, 6, 5, 6}, 0);
  ExpectNear(runner.BottomDiff(0), {3, 4, 0, 0, 13, 16}, 0);
  EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
}

TEST_P(BatchReindexTest, GradientsAgreeWithDifferences) {
  LayerRunner runner(kLayer, {Shape{4, 3, 2}, Shape{6}}, On());
  runner.SetBottom(1, RandomLabels(6, 4));
  CheckGradients(runner);
}

TEST_P(BatchReindexTest, NamesBadNumbers) {
  LayerRunner runner(kLayer, {Shape{3, 2}, Shape{2}}, On());
  runner.SetBottom(1, {1, 3});
  runner.Forward();
  const std::string problem = runner.layer().CheckAfterForward(runner.context());
  for (const char* part :
       {"1 item number outside 0..2", "the first is 3 at position 1", "bottom 0 has 3 items"}) {
    EXPECT_NE(problem.find(part), std::string::npos) << problem;
  }
}

TEST_P(BatchReindexTest, TakesEmptyBatches) {
  LayerRunner none(kLayer, {Shape{3, 2}, Shape{0}}, On());
  none.Forward();
  none.Backward();
  EXPECT_EQ(none.top_shape(), (Shape{0, 2}));
  ExpectNear(none.BottomDiff(0), std::vector<double>(6, 0), 0);
}

TEST_P(BatchReindexTest, RefusesNumbersInAPlane) {
  ExpectError(
      [&] {
        LayerRunner(kLayer, {Shape{3, 2}, Shape{2, 2}}, On());
      },
      {"'test' (BatchReindex)", "2 2 (4)", "one axis"});
}

}  // namespace
}  // namespace crema::test
