#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class BiasTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(BiasTest);

std::string Bias(const std::string& options = "") {
  return "type: 'Bias' bias_param { " + options + " filler { type: 'gaussian' } }";
}

TEST_P(BiasTest, AddsToEachChannel) {
  LayerRunner runner(Bias(), {Shape{2, 2, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6, 7, 8});
  runner.SetParam(0, {10, 20});
  runner.Forward();
  ExpectNear(runner.Top(), {11, 12, 23, 24, 15, 16, 27, 28}, 0);
}

TEST_P(BiasTest, StartsWithNothing) {
  LayerRunner runner("type: 'Bias'", {Shape{2, 3}}, On());
  runner.Forward();
  ExpectNear(runner.Top(), runner.Bottom(), 0);
}

TEST_P(BiasTest, TheSecondBottomMayBeTheBias) {
  LayerRunner runner("type: 'Bias' bias_param { axis: 0 }", {Shape{2, 2}, Shape{2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.SetBottom(1, {10, 20});
  runner.Forward();
  ExpectNear(runner.Top(), {11, 12, 23, 24}, 0);
}

TEST_P(BiasTest, GradientsAgreeWithDifferences) {
  for (const char* options :
       {"", "axis: 0", "axis: -1", "num_axes: -1", "num_axes: 0", "axis: 1 num_axes: 2"}) {
    LayerRunner runner(Bias(options), {Shape{2, 3, 4}}, On());
    CheckGradients(runner);
  }
  LayerRunner two("type: 'Bias'", {Shape{2, 3, 4}, Shape{3}}, On());
  CheckGradients(two);
}

TEST_P(BiasTest, RunsInPlace) {
  LayerRunner apart(Bias(), {Shape{2, 3, 4}}, On()),
      in_place(Bias(), {Shape{2, 3, 4}}, On(1, true));
  for (LayerRunner* runner : {&apart, &in_place}) {
    runner->Forward();
    runner->SetTopDiff(0, RandomValues(24, 3));
  }
  ExpectNear(in_place.Top(), apart.Top(), 0);
  for (LayerRunner* runner : {&apart, &in_place}) runner->Backward();
  ExpectNear(in_place.BottomDiff(), apart.BottomDiff(), 0);
  ExpectNear(in_place.ParamDiff(0), apart.ParamDiff(0), 0);
}

TEST_P(BiasTest, TakesAnEmptyBatch) {
  LayerRunner runner(Bias(), {Shape{0, 3}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 3}));
}

TEST_P(BiasTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner("type: 'Bias'", {Shape{2, 3}, Shape{2}}, On());
      },
      {"'test' (Bias)", "the bias has shape 2 (2)", "2 3 (6)"});
  ExpectError([&] { LayerRunner(Bias("num_axes: 3"), {Shape{2, 3}}, On()); }, {"num_axes is 3"});
}

}  // namespace
}  // namespace crema::test
