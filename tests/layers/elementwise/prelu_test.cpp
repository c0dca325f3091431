#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class PreluTest : public LayerTest {
 protected:
  RunnerOptions On(bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(PreluTest);

const char kEach[] = "type: 'PReLU' prelu_param { filler { type: 'gaussian' std: 0.5 } }";
const char kShared[] =
    "type: 'PReLU' prelu_param { channel_shared: true filler { type: 'constant' value: -0.5 } }";

TEST_P(PreluTest, StartsWithAQuarter) {
  LayerRunner runner("type: 'PReLU'", {Shape{1, 2, 2}}, On());
  runner.SetBottom(0, {-4, 0, 3, -8});
  runner.Forward();
  ExpectNear(runner.Param(0), {0.25, 0.25}, 0);
  ExpectNear(runner.Top(), {-1, 0, 3, -2}, 0);
}

TEST_P(PreluTest, HasASlopeForEachChannel) {
  LayerRunner runner(kEach, {Shape{3, 4, 5, 2}}, On());
  const std::vector<double> slopes = {0.5, -1, 0, 2};
  runner.SetParam(0, slopes);
  runner.Forward();
  std::vector<double> expected = runner.Bottom();
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] < 0) expected[i] *= slopes[i / 10 % 4];
  }
  ExpectNear(runner.Top(), expected, 1e-15);
}

TEST_P(PreluTest, OrOneForAll) {
  LayerRunner runner(kShared, {Shape{3, 4, 5}}, On());
  EXPECT_EQ(runner.param_shape(0), Shape{});
  runner.Forward();
  std::vector<double> expected = runner.Bottom();
  for (double& x : expected) x = x > 0 ? x : -0.5 * x;
  ExpectNear(runner.Top(), expected, 1e-15);
}

// The slope of channel 0 gets 2 * -1 + 3 * -4, that of channel 1 nothing from the value above 0.
// The slope for all channels is a scalar.
TEST_P(PreluTest, TakesAnyFiller) {
  const auto slope = [&](const std::string& filler) {
    return LayerRunner(
               "type: 'PReLU' prelu_param { channel_shared: true filler { " + filler + " } }",
               {Shape{1, 2, 2}}, On())
        .Param(0);
  };
  ExpectNear(slope("type: 'positive_unitball'"), {1}, 0);
  ExpectNear(slope("type: 'gaussian' sparse: 0"), {0}, 0);
  for (const char* type : {"uniform", "gaussian", "xavier", "msra"}) {
    EXPECT_EQ(slope(std::string("type: '") + type + "'").size(), 1u);
  }
  ExpectError([&] { slope("type: 'bilinear'"); }, {"bilinear", "(1)"});
}

TEST_P(PreluTest, GoldenGradients) {
  LayerRunner runner(kEach, {Shape{2, 2}}, On());
  runner.SetParam(0, {0.5, 0.25});
  runner.SetBottom(0, {-1, 5, -4, 0});
  runner.SetTopDiff(0, {2, 8, 3, 4});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.BottomDiff(), {1, 8, 1.5, 1}, 0);
  ExpectNear(runner.ParamDiff(0), {-14, 0}, 0);
}

TEST_P(PreluTest, GradientsAgreeWithDifferences) {
  for (const char* text : {kEach, kShared}) {
    LayerRunner runner(text, {Shape{3, 4, 5}}, On());
    GradientCheck check;
    check.kink_range = 0.01;
    CheckGradients(runner, check);
  }
}

TEST_P(PreluTest, RunsInPlace) {
  for (const char* text : {kEach, kShared}) {
    LayerRunner apart(text, {Shape{3, 4, 5}}, On()), in_place(text, {Shape{3, 4, 5}}, On(true));
    for (LayerRunner* runner : {&apart, &in_place}) {
      runner->Forward();
      runner->SetTopDiff(0, RandomValues(60, 3));
      runner->Backward();
    }
    ExpectNear(in_place.BottomDiff(), apart.BottomDiff(), 0);
    ExpectNear(in_place.ParamDiff(0), apart.ParamDiff(0), 0);
  }
}

TEST_P(PreluTest, TakesAnEmptyBatch) {
  for (const char* text : {kEach, kShared}) {
    LayerRunner runner(text, {Shape{0, 3, 2}}, On());
    runner.Forward();
    runner.Backward();
    EXPECT_EQ(runner.top_shape(), (Shape{0, 3, 2}));
  }
}

TEST_P(PreluTest, NeedsChannels) {
  ExpectError([&] { LayerRunner(kEach, {Shape{3}}, On()); }, {"'test' (PReLU)", "3 (3)", "2 axes"});
}

}  // namespace
}  // namespace crema::test
