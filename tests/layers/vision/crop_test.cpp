#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class CropTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(CropTest);

std::string Crop(const std::string& options) {
  return "type: 'Crop' crop_param { " + options + " }";
}

TEST_P(CropTest, CutsOut) {
  LayerRunner runner(Crop("axis: 1 offset: 1 offset: 0"), {Shape{1, 3, 3}, Shape{5, 2, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  runner.SetTopDiff(0, {10, 20, 30, 40});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{1, 2, 2}));
  ExpectNear(runner.Top(), {4, 5, 7, 8}, 0);
  ExpectNear(runner.BottomDiff(0), {0, 0, 0, 10, 20, 0, 30, 40, 0}, 0);
}

// Axis 2 and no offset by default; one offset is for all axes.
TEST_P(CropTest, AgreesWithALoop) {
  const Shape in{2, 3, 6, 5}, size{1, 1, 4, 2};
  for (int offset : {0, 2}) {
    LayerRunner runner(offset == 0 ? Crop("") : Crop("axis: -2 offset: 2"), {in, size}, On());
    runner.Forward();
    EXPECT_EQ(runner.top_shape(), (Shape{2, 3, 4, 2}));
    const std::vector<double> x = runner.Bottom(0);
    std::vector<double> expected;
    for (int plane = 0; plane < 6; ++plane) {
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 2; ++j) {
          expected.push_back(x[plane * 30 + (i + offset) * 5 + j + offset]);
        }
      }
    }
    ExpectNear(runner.Top(), expected, 0);
  }
}

TEST_P(CropTest, GradientsAgreeWithDifferences) {
  LayerRunner runner(Crop("axis: 0 offset: 1 offset: 0 offset: 2"),
                     {Shape{3, 3, 4}, Shape{2, 2, 2}}, On());
  CheckGradients(runner);
}

TEST_P(CropTest, TakesAnEmptyBatch) {
  LayerRunner runner(Crop("axis: 1"), {Shape{0, 3}, Shape{0, 2}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 2}));
}

// As in Caffe, which looks at the first of them.
TEST_P(CropTest, TheReferenceMayHaveMoreAxes) {
  LayerRunner runner(Crop("axis: 1 offset: 1"), {Shape{1, 3}, Shape{1, 2, 7}}, On());
  runner.SetBottom(0, {1, 2, 3});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{1, 2}));
  EXPECT_EQ(runner.Top(), (std::vector<double>{2, 3}));
}

TEST_P(CropTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(Crop("axis: 1 offset: 2"), {Shape{1, 3}, Shape{1, 2}}, On());
      },
      {"'test' (Crop)", "axis 1", "1 3 (3)", "2 values", "offset 2"});
  ExpectError(
      [&] {
        LayerRunner(Crop("axis: 0 offset: 0 offset: 0"), {Shape{1, 3, 2}, Shape{1, 2, 2}}, On());
      },
      {"2 offsets", "3 axes"});
  ExpectError(
      [&] {
        LayerRunner(Crop("axis: 1"), {Shape{1, 3, 2}, Shape{1, 2}}, On());
      },
      {"at least as many axes"});
}

}  // namespace
}  // namespace crema::test
