#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class DropoutTest : public LayerTest {
 protected:
  RunnerOptions On(Phase phase = Phase::kTrain, uint64_t seed = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.phase = phase;
    options.seed = seed;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(DropoutTest);

std::string Text(double ratio, const std::string& name = "drop") {
  return "name: '" + name +
         "' type: 'Dropout' dropout_param { dropout_ratio: " + std::to_string(ratio) + " }";
}

std::vector<double> Mask(LayerRunner& runner) {
  runner.SetBottom(0, std::vector<double>(runner.Bottom().size(), 1));
  runner.Forward();
  return runner.Top();
}

// Values are 0 or 1 / (1 - ratio), the zeros as many as asked for: with n = 4003 the share's
// deviation is below 0.008, and 4 of them are allowed.
TEST_P(DropoutTest, DropsTheShareAndScalesTheRest) {
  for (double ratio : {0.2, 0.5, 0.75}) {
    LayerRunner runner(Text(ratio), {Shape{4003}}, On());
    double zeros = 0;
    for (double m : Mask(runner)) {
      if (m == 0) {
        ++zeros;
      } else {
        EXPECT_NEAR(m, 1 / (1 - ratio), 1e-6);
      }
    }
    EXPECT_NEAR(zeros / 4003, ratio, 0.032);
  }
}

TEST_P(DropoutTest, NeighboursAreIndependent) {
  LayerRunner runner(Text(0.5), {Shape{4000}}, On());
  const std::vector<double> mask = Mask(runner);
  for (size_t distance = 1; distance <= 8; ++distance) {
    double equal = 0;
    for (size_t i = distance; i < mask.size(); ++i) equal += mask[i] == mask[i - distance];
    EXPECT_NEAR(equal / 4000, 0.5, 0.035) << distance;
  }
}

TEST_P(DropoutTest, BackwardDrawsTheSameMask) {
  LayerRunner runner(Text(0.5), {Shape{3, 7}}, On());
  runner.context().SetStep(12);
  const std::vector<double> mask = Mask(runner);
  runner.SetTopDiff(0, std::vector<double>(21, 1));
  runner.Backward();
  EXPECT_EQ(runner.BottomDiff(), mask);
  LayerRunner checked(Text(0.3), {Shape{3, 7}}, On());
  CheckGradients(checked);
}

TEST_P(DropoutTest, MaskFollowsSeedStepAndLayer) {
  LayerRunner runner(Text(0.5), {Shape{200}}, On());
  const std::vector<double> first = Mask(runner);
  runner.context().SetStep(1);
  EXPECT_NE(Mask(runner), first);
  runner.context().SetStep(0);
  EXPECT_EQ(Mask(runner), first);
  LayerRunner other_seed(Text(0.5), {Shape{200}}, On(Phase::kTrain, 2));
  EXPECT_NE(Mask(other_seed), first);
  LayerRunner other_layer(Text(0.5, "drop2"), {Shape{200}}, On());
  EXPECT_NE(Mask(other_layer), first);
}

// The numbers are counted, so every device drops the same elements.
TEST_P(DropoutTest, SameOnEveryDevice) {
  RunnerOptions cpu;
  LayerRunner reference(Text(0.4), {Shape{3, 101}}, cpu);
  LayerRunner runner(Text(0.4), {Shape{3, 101}}, On());
  reference.context().SetStep((uint64_t{5} << 32) + 7);
  runner.context().SetStep((uint64_t{5} << 32) + 7);
  EXPECT_EQ(Mask(runner), Mask(reference));
}

// An element's number is its index in Caffe's order, wherever it lies in memory.
TEST_P(DropoutTest, SameInEveryLayout) {
  const Shape shape{2, 5, 3, 7};
  LayerRunner plain(Text(0.4), {shape}, On());
  for (const bool in_place : {false, true}) {
    RunnerOptions options = On(Phase::kTrain, 1, in_place);
    options.layout = Layout::kChannelsLast;
    LayerRunner last(Text(0.4), {shape}, options);
    EXPECT_EQ(Mask(last), Mask(plain));
    last.SetTopDiff(0, plain.TopDiff());
    plain.Backward();
    last.Backward();
    EXPECT_EQ(last.BottomDiff(), plain.BottomDiff());
  }
}

TEST_P(DropoutTest, InPlace) {
  LayerRunner apart(Text(0.4), {Shape{3, 10}}, On());
  LayerRunner within(Text(0.4), {Shape{3, 10}}, On(Phase::kTrain, 1, true));
  apart.Forward();
  within.Forward();
  EXPECT_EQ(within.Top(), apart.Top());
  within.SetTopDiff(0, apart.TopDiff());
  apart.Backward();
  within.Backward();
  EXPECT_EQ(within.BottomDiff(), apart.BottomDiff());
}

TEST_P(DropoutTest, TestPhaseCopies) {
  LayerRunner runner(Text(0.4), {Shape{3, 10}}, On(Phase::kTest));
  runner.Forward();
  EXPECT_EQ(runner.Top(), runner.Bottom());
  runner.Backward();
  EXPECT_EQ(runner.BottomDiff(), runner.TopDiff());
  LayerRunner within(Text(0.4), {Shape{3, 10}}, On(Phase::kTest, 1, true));
  const std::vector<double> before = within.Bottom();
  within.Forward();
  EXPECT_EQ(within.Top(), before);
}

TEST_P(DropoutTest, RatioZeroKeepsAll) {
  LayerRunner runner(Text(0), {Shape{300}}, On());
  runner.Forward();
  EXPECT_EQ(runner.Top(), runner.Bottom());
}

TEST_P(DropoutTest, EmptyBatch) {
  LayerRunner runner(Text(0.5), {Shape{0, 10}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 10}));
}

TEST(DropoutErrorTest, RatioOutOfRange) {
  for (double ratio : {1.0, -0.1, 1.5}) {
    ExpectError([&] { LayerRunner runner(Text(ratio), {Shape{3}}); },
                {"layer 'drop' (Dropout)", "dropout_ratio", "below 1"});
  }
}

}  // namespace
}  // namespace crema::test
