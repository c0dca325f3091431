#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class DeconvolutionTest : public LayerTest {
 protected:
  LayerRunner MakeRunner(const std::string& options, const std::vector<Shape>& bottoms) const {
    RunnerOptions on;
    on.device = device();
    on.tops = static_cast<int>(bottoms.size());
    return LayerRunner(
        "type: 'Deconvolution' convolution_param { weight_filler { type: 'gaussian' "
        "std: 1 } bias_filler { type: 'gaussian' std: 1 } " +
            options + " }",
        bottoms, on);
  }
};
CREMA_ON_ALL_DEVICES(DeconvolutionTest);

// Two values, one apart, through (1 10 100) at stride 2: they overlap in one pixel.
TEST_P(DeconvolutionTest, GoldenValues) {
  LayerRunner runner = MakeRunner("num_output: 1 kernel_size: 3 stride: 2", {Shape{1, 1, 2}});
  runner.SetParam(0, {1, 10, 100});
  runner.SetParam(1, {1000});
  runner.SetBottom(0, {2, 3});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{1, 1, 5}));
  ExpectNear(runner.Top(), {1002, 1020, 1203, 1030, 1300}, 0);
}

struct Plane {
  int in, out, kernel, stride, pad, dilation;
};

// (2, 4, 3, 4) to (2, 6, ...) in 2 groups, each value spread over its window.
TEST_P(DeconvolutionTest, AgreesWithALoop) {
  LayerRunner runner = MakeRunner(
      "num_output: 6 group: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0 "
      "dilation: 1 dilation: 2",
      {Shape{2, 4, 3, 4}});
  const Plane h = {3, 5, 3, 2, 1, 1}, w = {4, 6, 2, 1, 0, 2};
  ASSERT_EQ(runner.param_shape(0), (Shape{4, 3, 3, 2}));
  ASSERT_EQ(runner.top_shape(), (Shape{2, 6, 5, 6}));
  runner.Forward();
  const std::vector<double> x = runner.Bottom(), weight = runner.Param(0), bias = runner.Param(1);
  std::vector<double> expected(runner.Top().size());
  for (int i = 0; i < 360; ++i) expected[i] = bias[i / 30 % 6];
  for (int n = 0; n < 2; ++n) {
    for (int c = 0; c < 4; ++c) {
      for (int at = 0; at < 12; ++at) {
        for (int tap = 0; tap < 18; ++tap) {
          const int o = tap / 6, i = tap / 2 % 3, j = tap % 2;
          const int y = at / 4 * h.stride - h.pad + i * h.dilation;
          const int z = at % 4 * w.stride - w.pad + j * w.dilation;
          if (y < 0 || y >= h.out || z < 0 || z >= w.out) continue;
          expected[((n * 6 + c / 2 * 3 + o) * h.out + y) * w.out + z] +=
              x[(n * 4 + c) * 12 + at] * weight[c * 18 + tap];
        }
      }
    }
  }
  ExpectNear(runner.Top(), expected, 1e-13);
}

// Many images, so that threads share them, and the weights' gradient is made of parts.
TEST_P(DeconvolutionTest, GradientsAgreeWithDifferences) {
  LayerRunner plane =
      MakeRunner("num_output: 2 kernel_size: 3 stride: 2 pad: 1", {Shape{5, 3, 3, 2}});
  CheckGradients(plane);
  LayerRunner groups = MakeRunner(
      "num_output: 4 group: 2 kernel_size: 2 dilation: 2 bias_term: "
      "false",
      {Shape{2, 2, 2, 3}});
  CheckGradients(groups);
  LayerRunner volume = MakeRunner("num_output: 2 kernel_size: 2 stride: 2", {Shape{1, 2, 2, 1, 2}});
  CheckGradients(volume);
  LayerRunner pointwise = MakeRunner("num_output: 3 kernel_size: 1", {Shape{2, 2, 2, 2}});
  CheckGradients(pointwise);
}

// The usual way to enlarge images: a filter for each channel, learned by nobody.
TEST_P(DeconvolutionTest, EnlargesBilinearly) {
  RunnerOptions on;
  on.device = device();
  LayerRunner runner(
      "type: 'Deconvolution' convolution_param { num_output: 2 group: 2 kernel_size: "
      "4 stride: 2 pad: 1 bias_term: false weight_filler { type: 'bilinear' } }",
      {Shape{1, 2, 3, 3}}, on);
  runner.SetBottom(0, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2, 4, 0, 2, 4, 0, 2, 4});
  runner.Forward();
  ASSERT_EQ(runner.top_shape(), (Shape{1, 2, 6, 6}));
  // In the middle, where nothing is missing; the second channel rises by 1 a pixel.
  for (int row : {2, 3}) {
    for (int col : {1, 2, 3, 4}) {
      EXPECT_NEAR(runner.Top()[row * 6 + col], 1, 1e-6);
      EXPECT_NEAR(runner.Top()[36 + row * 6 + col], col - 0.5, 1e-6);
    }
  }
}

TEST_P(DeconvolutionTest, TakesSeveralBottoms) {
  LayerRunner runner =
      MakeRunner("num_output: 2 kernel_size: 2", {Shape{1, 2, 2, 2}, Shape{1, 2, 2, 2}});
  CheckGradients(runner);
}

TEST_P(DeconvolutionTest, TakesAnEmptyBatch) {
  LayerRunner runner = MakeRunner("num_output: 2 kernel_size: 2", {Shape{0, 2, 2, 2}});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 2, 3, 3}));
}

TEST_P(DeconvolutionTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        MakeRunner("num_output: 2 kernel_size: 2 pad: 2", {Shape{1, 1, 2, 2}});
      },
      {"'test' (Deconvolution)", "the extent of the output along axis 2",
       "is -1, but must be from 1"});
  ExpectError(
      [&] {
        MakeRunner("num_output: 4 group: 2 kernel_size: 2", {Shape{1, 3, 2, 2}});
      },
      {"3 channels", "group, 2"});
}

}  // namespace
}  // namespace crema::test
