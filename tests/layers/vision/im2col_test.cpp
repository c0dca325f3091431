#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class Im2colLayerTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(Im2colLayerTest);

const char kLayer[] =
    "type: 'Im2col' convolution_param { kernel_size: 2 stride: 1 pad: 1 dilation: 2 }";

// A 3 x 3 image and windows of 2 x 2, without padding.
TEST_P(Im2colLayerTest, GoldenValues) {
  LayerRunner runner("type: 'Im2col' convolution_param { kernel_size: 2 }", {Shape{1, 1, 3, 3}},
                     On());
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{1, 4, 2, 2}));
  ExpectNear(runner.Top(), {1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9}, 0);
}

TEST_P(Im2colLayerTest, AgreesWithALoop) {
  LayerRunner runner(kLayer, {Shape{2, 3, 5, 4}}, On());
  runner.Forward();
  ASSERT_EQ(runner.top_shape(), (Shape{2, 12, 5, 4}));
  const std::vector<double> x = runner.Bottom();
  std::vector<double> expected;
  for (int n = 0; n < 2; ++n) {
    for (int row = 0; row < 12; ++row) {
      const int c = row / 4, i = row / 2 % 2, j = row % 2;
      for (int h = 0; h < 5; ++h) {
        for (int w = 0; w < 4; ++w) {
          const int y = h - 1 + 2 * i, z = w - 1 + 2 * j;
          const bool inside = y >= 0 && y < 5 && z >= 0 && z < 4;
          expected.push_back(inside ? x[((n * 3 + c) * 5 + y) * 4 + z] : 0);
        }
      }
    }
  }
  ExpectNear(runner.Top(), expected, 0);
}

TEST_P(Im2colLayerTest, GradientsAgreeWithDifferences) {
  LayerRunner plane(kLayer, {Shape{2, 2, 5, 4}}, On());
  CheckGradients(plane);
  LayerRunner line("type: 'Im2col' convolution_param { kernel_size: 3 stride: 2 }",
                   {Shape{2, 2, 7}}, On());
  CheckGradients(line);
  LayerRunner axis("type: 'Im2col' convolution_param { kernel_size: 2 axis: 2 }",
                   {Shape{2, 2, 3, 4}}, On());
  CheckGradients(axis);
}

TEST_P(Im2colLayerTest, TakesAnEmptyBatch) {
  LayerRunner runner(kLayer, {Shape{0, 3, 5, 4}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 12, 5, 4}));
}

TEST_P(Im2colLayerTest, RefusesImagesThatAreTooSmall) {
  ExpectError(
      [&] {
        LayerRunner("type: 'Im2col' convolution_param { kernel_size: 4 }", {Shape{1, 1, 3, 3}},
                    On());
      },
      {"'test' (Im2col)"});
}

}  // namespace
}  // namespace crema::test
