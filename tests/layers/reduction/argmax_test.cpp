#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ArgMaxTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ArgMaxTest);

std::string ArgMax(const std::string& options) {
  return "type: 'ArgMax' argmax_param { " + options + " }";
}

TEST_P(ArgMaxTest, OfEachItem) {
  LayerRunner runner(ArgMax(""), {Shape{2, 2, 2}}, On());
  runner.SetBottom(0, {1, 9, 3, 4, -5, -2, -1, -3});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 1, 1}));
  ExpectNear(runner.Top(), {1, 2}, 0);
}

TEST_P(ArgMaxTest, WithValuesAndSeveral) {
  LayerRunner runner(ArgMax("out_max_val: true top_k: 2"), {Shape{2, 4}}, On());
  runner.SetBottom(0, {1, 9, 3, 4, -5, -2, -1, -3});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 2, 2}));
  ExpectNear(runner.Top(), {1, 3, 9, 4, 2, 1, -1, -2}, 0);
}

// Along axis 1 of (2 x 3 x 2).
TEST_P(ArgMaxTest, AlongAnAxis) {
  const std::vector<double> x = {1, 8, 7, 2, 3, 5, 0, 0.1, 0.5, 0.2, 0.4, 0.3};
  for (const char* axis : {"axis: 1", "axis: -2"}) {
    LayerRunner indices(ArgMax(Concat(axis, " top_k: 2")), {Shape{2, 3, 2}}, On());
    LayerRunner values(ArgMax(Concat(axis, " top_k: 2 out_max_val: true")), {Shape{2, 3, 2}}, On());
    for (LayerRunner* runner : {&indices, &values}) {
      runner->SetBottom(0, x);
      runner->Forward();
      EXPECT_EQ(runner->top_shape(), (Shape{2, 2, 2}));
    }
    ExpectNear(indices.Top(), {1, 0, 2, 2, 1, 2, 2, 1}, 0);
    ExpectNear(values.Top(), {7, 8, 3, 5, 0.5, 0.3, 0.4, 0.2}, 0);
  }
}

// Of equal values the highest index comes first.
TEST_P(ArgMaxTest, Ties) {
  LayerRunner runner(ArgMax("top_k: 4"), {Shape{1, 5}}, On());
  runner.SetBottom(0, {2, 7, 2, 7, 2});
  runner.Forward();
  ExpectNear(runner.Top(), {3, 1, 4, 2}, 0);
}

TEST_P(ArgMaxTest, TakesAnEmptyBatch) {
  LayerRunner runner(ArgMax(""), {Shape{0, 3}}, On());
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 1, 1}));
}

TEST_P(ArgMaxTest, RefusesMoreThanThereAre) {
  for (const char* options : {"top_k: 4", "top_k: 0", "axis: 1 top_k: 4"}) {
    ExpectError(
        [&] {
          LayerRunner(ArgMax(options), {Shape{2, 3}}, On());
        },
        {"'test' (ArgMax)", "top_k is", "1 to 3"});
  }
}

}  // namespace
}  // namespace crema::test
