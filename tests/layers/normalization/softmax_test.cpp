#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SoftmaxTest : public LayerTest {
 protected:
  RunnerOptions On(DType dtype = DType::kFloat64, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(SoftmaxTest);

std::string WithAxis(int axis) {
  return "type: 'Softmax' softmax_param { axis: " + std::to_string(axis) + " }";
}

std::vector<double> NaiveSoftmax(const std::vector<double>& x, const Shape& shape, int axis) {
  const int64_t outer = shape.Count(0, axis), channels = shape[axis];
  const int64_t inner = shape.CountFrom(axis + 1);
  std::vector<double> y(x.size());
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      const auto at = [&](int64_t c) { return (o * channels + c) * inner + i; };
      double sum = 0;
      for (int64_t c = 0; c < channels; ++c) sum += std::exp(x[at(c)]);
      for (int64_t c = 0; c < channels; ++c) y[at(c)] = std::exp(x[at(c)]) / sum;
    }
  }
  return y;
}

// exp gives 1, 2, 3, whose sum is 6.
TEST_P(SoftmaxTest, DividesByTheSum) {
  LayerRunner runner("type: 'Softmax'", {Shape{1, 3}}, On());
  runner.SetBottom(0, {0, std::log(2.0), std::log(3.0)});
  runner.Forward();
  ExpectNear(runner.Top(), {1.0 / 6, 2.0 / 6, 3.0 / 6}, 1e-14);
}

TEST_P(SoftmaxTest, AgreesWithALoopOnEveryAxis) {
  const Shape shape{3, 5, 4, 7};
  for (int axis = 0; axis < 4; ++axis) {
    for (int asked : {axis, axis - 4}) {
      LayerRunner runner(WithAxis(asked), {shape}, On());
      runner.Forward();
      EXPECT_EQ(runner.top_shape(), shape);
      ExpectNear(runner.Top(), NaiveSoftmax(runner.Bottom(), shape, axis), 1e-13);
    }
  }
}

TEST_P(SoftmaxTest, AgreesWithALoopOnManyElements) {
  for (const Shape& shape : {Shape{40, 1000}, Shape{2, 21, 33, 35}}) {
    LayerRunner runner("type: 'Softmax'", {shape}, On(DType::kFloat32));
    runner.Forward();
    ExpectNear(runner.Top(), NaiveSoftmax(runner.Bottom(), shape, 1), 1e-6);
  }
}

// The difference of 1 alone matters: 1 / (1 + e) and e / (1 + e).
TEST_P(SoftmaxTest, DoesNotOverflow) {
  LayerRunner runner("type: 'Softmax'", {Shape{2, 2}}, On(DType::kFloat32));
  runner.SetBottom(0, {1000, 1001, -1001, -1000});
  runner.Forward();
  const double low = 1 / (1 + std::exp(1.0));
  ExpectNear(runner.Top(), {low, 1 - low, low, 1 - low}, 1e-6);
}

TEST_P(SoftmaxTest, GradientsAgreeWithDifferences) {
  for (int axis : {0, 1, 2}) {
    LayerRunner runner(WithAxis(axis), {Shape{2, 4, 3}}, On());
    CheckGradients(runner);
  }
}

TEST_P(SoftmaxTest, RunsInPlace) {
  for (int axis : {1, 2}) {
    const Shape shape{3, 4, 5};
    LayerRunner apart(WithAxis(axis), {shape}, On());
    LayerRunner in_place(WithAxis(axis), {shape}, On(DType::kFloat64, true));
    in_place.SetTopDiff(0, apart.TopDiff());
    for (LayerRunner* runner : {&apart, &in_place}) {
      runner->Forward();
      runner->Backward();
    }
    ExpectNear(in_place.Top(), apart.Top(), 1e-14);
    ExpectNear(in_place.BottomDiff(), apart.BottomDiff(), 1e-14);
  }
}

TEST_P(SoftmaxTest, TakesAnEmptyBatch) {
  for (const Shape& shape : {Shape{0, 3}, Shape{0, 3, 2}}) {
    LayerRunner runner("type: 'Softmax'", {shape}, On());
    runner.Forward();
    runner.Backward();
    EXPECT_EQ(runner.top_shape(), shape);
  }
}

TEST_P(SoftmaxTest, RefusesAnAxisThatIsNotThere) {
  ExpectError([&] { LayerRunner("name: 'p' type: 'Softmax'", {Shape{3}}, On()); },
              {"layer 'p' (Softmax): axis is 1", "3 (3)"});
}

}  // namespace
}  // namespace crema::test
