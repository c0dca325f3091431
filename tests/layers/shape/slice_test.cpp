#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SliceTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(SliceTest);

TEST_P(SliceTest, CutsIntoEqualParts) {
  LayerRunner runner("type: 'Slice'", {Shape{2, 4, 1}}, On(2));
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6, 7, 8});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(0), (Shape{2, 2, 1}));
  ExpectNear(runner.Top(0), {1, 2, 5, 6}, 0);
  ExpectNear(runner.Top(1), {3, 4, 7, 8}, 0);
}

TEST_P(SliceTest, CutsAtPoints) {
  for (const char* axis : {"axis: 1", "axis: -2", "slice_dim: 1"}) {
    LayerRunner runner(
        Concat("type: 'Slice' slice_param { ", axis, " slice_point: 1 slice_point: 3 }"),
        {Shape{2, 4, 3}}, On(3));
    runner.Forward();
    const std::vector<double> x = runner.Bottom();
    const int first[] = {0, 1, 3}, extent[] = {1, 2, 1};
    for (int t = 0; t < 3; ++t) {
      EXPECT_EQ(runner.top_shape(t), (Shape{2, extent[t], 3}));
      std::vector<double> expected;
      for (int n = 0; n < 2; ++n) {
        for (int i = 0; i < extent[t] * 3; ++i) expected.push_back(x[n * 12 + first[t] * 3 + i]);
      }
      ExpectNear(runner.Top(t), expected, 0);
    }
  }
}

TEST_P(SliceTest, CutsTheBatch) {
  LayerRunner runner("type: 'Slice' slice_param { axis: 0 slice_point: 1 }", {Shape{3, 2}}, On(2));
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6});
  runner.Forward();
  ExpectNear(runner.Top(0), {1, 2}, 0);
  ExpectNear(runner.Top(1), {3, 4, 5, 6}, 0);
}

TEST_P(SliceTest, GradientsAgreeWithDifferences) {
  LayerRunner runner("type: 'Slice' slice_param { slice_point: 1 }", {Shape{2, 4, 3}}, On(2));
  CheckGradients(runner);
}

TEST_P(SliceTest, TakesAnEmptyBatch) {
  LayerRunner runner("type: 'Slice'", {Shape{0, 4}}, On(2));
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(1), (Shape{0, 2}));
}

TEST_P(SliceTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner("type: 'Slice'", {Shape{2, 5}}, On(2));
      },
      {"'test' (Slice)", "2 equal parts", "2 5 (10)"});
  ExpectError(
      [&] {
        LayerRunner("type: 'Slice' slice_param { slice_point: 5 }", {Shape{2, 5}}, On(2));
      },
      {"slice_point must be ascending", "below 5"});
  ExpectError(
      [&] {
        LayerRunner("type: 'Slice' slice_param { slice_point: 2 }", {Shape{2, 5}}, On(3));
      },
      {"1 slice_point for 3 tops"});
  ExpectError(
      [&] {
        LayerRunner("type: 'Slice' slice_param { axis: 1 slice_dim: 1 }", {Shape{2, 4}}, On(2));
      },
      {"both axis and its old name slice_dim"});
}

}  // namespace
}  // namespace crema::test
