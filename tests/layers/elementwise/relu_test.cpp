#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ReluTest : public LayerTest {
 protected:
  RunnerOptions On(DType dtype = DType::kFloat64, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ReluTest);

const char kLeaky[] = "type: 'ReLU' relu_param { negative_slope: 0.25 }";

TEST_P(ReluTest, PassesPositiveValuesOnly) {
  LayerRunner runner("type: 'ReLU'", {Shape{2, 3}}, On());
  runner.SetBottom(0, {-2, -0.5, 0, 0.5, 1, 3});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 3}));
  ExpectNear(runner.Top(), {0, 0, 0, 0.5, 1, 3}, 0);
}

TEST_P(ReluTest, ScalesNegativeValuesByTheSlope) {
  LayerRunner runner(kLeaky, {Shape{2, 2}}, On());
  runner.SetBottom(0, {-2, -1, 0, 4});
  runner.Forward();
  ExpectNear(runner.Top(), {-0.5, -0.25, 0, 4}, 0);
}

// Long enough for several threads, and not a multiple of any vector's length.
TEST_P(ReluTest, AgreesWithALoopOnManyElements) {
  LayerRunner runner(kLeaky, {Shape{3, 7, 29, 31}}, On(DType::kFloat32));
  runner.Forward();
  std::vector<double> expected = runner.Bottom();
  for (double& x : expected) x = x > 0 ? x : 0.25 * x;
  ExpectNear(runner.Top(), expected, 1e-6);
}

// The gradient at 0 is the slope, as in Caffe.
TEST_P(ReluTest, SendsTheGradientBack) {
  LayerRunner runner(kLeaky, {Shape{4}}, On());
  runner.SetBottom(0, {-1, 0, 1, 2});
  runner.SetTopDiff(0, {8, 8, 8, 4});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.BottomDiff(), {2, 2, 8, 4}, 0);
}

TEST_P(ReluTest, GradientsAgreeWithDifferences) {
  for (const char* text : {"type: 'ReLU'", kLeaky}) {
    LayerRunner runner(text, {Shape{2, 3, 4, 5}}, On());
    GradientCheck check;
    check.kink_range = 0.01;
    CheckGradients(runner, check);
  }
}

TEST_P(ReluTest, RunsInPlace) {
  LayerRunner apart(kLeaky, {Shape{5, 3}}, On());
  LayerRunner in_place(kLeaky, {Shape{5, 3}}, On(DType::kFloat64, true));
  in_place.SetTopDiff(0, apart.TopDiff());
  for (LayerRunner* runner : {&apart, &in_place}) {
    runner->Forward();
    runner->Backward();
  }
  ExpectNear(in_place.Top(), apart.Top(), 0);
  ExpectNear(in_place.BottomDiff(), apart.BottomDiff(), 0);
}

TEST_P(ReluTest, TakesAnEmptyBatch) {
  LayerRunner runner("type: 'ReLU'", {Shape{0, 3}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 3}));
}

TEST_P(ReluTest, SendsNothingWhereNothingIsWanted) {
  LayerRunner runner("type: 'ReLU'", {Shape{2}}, On());
  runner.SetBottom(0, {1, 1});
  runner.SetTopDiff(0, {3, 3});
  runner.Forward();
  runner.Backward();
  runner.SetTopDiff(0, {5, 5});
  runner.Backward({false});
  ExpectNear(runner.BottomDiff(), {3, 3}, 0);
}

}  // namespace
}  // namespace crema::test
