#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SppTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(SppTest);

std::string Spp(const std::string& options) { return "type: 'SPP' spp_param { " + options + " }"; }

// One level is global pooling.
TEST_P(SppTest, OneLevel) {
  LayerRunner max(Spp("pyramid_height: 1"), {Shape{1, 2, 2, 2}}, On());
  LayerRunner mean(Spp("pyramid_height: 1 pool: AVE"), {Shape{1, 2, 2, 2}}, On());
  for (LayerRunner* runner : {&max, &mean}) {
    runner->SetBottom(0, {1, 2, 3, 4, -1, -2, -3, -6});
    runner->Forward();
    EXPECT_EQ(runner->top_shape(), (Shape{1, 2, 1, 1}));
  }
  ExpectNear(max.Top(), {4, -1}, 0);
  ExpectNear(mean.Top(), {2.5, -3}, 0);
}

// 4 x 2 pixels: the whole, then four windows of 2 x 1.
TEST_P(SppTest, GoldenLevels) {
  LayerRunner runner(Spp("pyramid_height: 2"), {Shape{2, 1, 4, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6, 7, 0, 0, 9, 1, 2, 3, 4, 5, 6});
  runner.SetTopDiff(0, {100, 1, 2, 3, 4, 100, 1, 2, 3, 4});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 5}));
  ExpectNear(runner.Top(), {7, 3, 4, 7, 6, 9, 1, 9, 5, 6}, 0);
  ExpectNear(runner.BottomDiff(), {0, 0, 1, 2, 0, 4, 103, 0, 0, 102, 1, 0, 0, 0, 3, 4}, 0);
}

// Sizes that the windows do not divide: 2 x 2 windows of 3 x 4 over 5 x 7 pixels, padded by 1.
TEST_P(SppTest, AgreesWithPoolingLayers) {
  for (const char* pool : {"MAX", "AVE"}) {
    LayerRunner runner(Spp(Concat("pyramid_height: 2 pool: ", pool)), {Shape{3, 2, 5, 7}}, On());
    LayerRunner whole(
        Concat("type: 'Pooling' pooling_param { global_pooling: true pool: ", pool, " }"),
        {Shape{3, 2, 5, 7}}, On());
    LayerRunner parts(Concat("type: 'Pooling' pooling_param { kernel_h: 3 kernel_w: 4 stride_h: 3 "
                             "stride_w: 4 pad_h: 1 pad_w: 1 pool: ",
                             pool, " }"),
                      {Shape{3, 2, 5, 7}}, On());
    for (LayerRunner* r : {&runner, &whole, &parts}) r->Forward();
    ASSERT_EQ(runner.top_shape(), (Shape{3, 10}));
    std::vector<double> expected;
    for (int n = 0; n < 3; ++n) {
      for (int i = 0; i < 2; ++i) expected.push_back(whole.Top()[n * 2 + i]);
      for (int i = 0; i < 8; ++i) expected.push_back(parts.Top()[n * 8 + i]);
    }
    ExpectNear(runner.Top(), expected, 0);
  }
}

TEST_P(SppTest, GradientsAgreeWithDifferences) {
  for (const char* pool : {"MAX", "AVE"}) {
    LayerRunner runner(Spp(Concat("pyramid_height: 3 pool: ", pool)), {Shape{2, 2, 7, 8}}, On());
    CheckGradients(runner);
  }
}

TEST_P(SppTest, TakesAnEmptyBatch) {
  LayerRunner runner(Spp("pyramid_height: 2"), {Shape{0, 2, 4, 4}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 10}));
}

TEST_P(SppTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(Spp(""), {Shape{1, 1, 4, 4}}, On());
      },
      {"'test' (SPP)", "pyramid_height is missing"});
  ExpectError(
      [&] {
        LayerRunner(Spp("pyramid_height: 3"), {Shape{1, 1, 3, 3}}, On());
      },
      {"windows of level 2", "4 x 4 windows"});
  ExpectError(
      [&] {
        LayerRunner(Spp("pyramid_height: 1 pool: STOCHASTIC"), {Shape{1, 1, 3, 3}}, On());
      },
      {"STOCHASTIC"});
  ExpectError(
      [&] {
        LayerRunner(Spp("pyramid_height: 1"), {Shape{1, 3}}, On());
      },
      {"4 (N, C, H, W)"});
}

}  // namespace
}  // namespace crema::test
