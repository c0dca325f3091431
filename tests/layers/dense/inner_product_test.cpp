#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class InnerProductTest : public LayerTest {
 protected:
  RunnerOptions On(DType dtype = DType::kFloat64) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(InnerProductTest);

std::string Text(const std::string& options) {
  return "type: 'InnerProduct' inner_product_param { weight_filler { type: 'gaussian' } "
         "bias_filler { type: 'uniform' } " +
         options + " }";
}

// x = (1 2 3; 4 5 6), W = (1 0 -1; 2 1 0), b = (10, 20):
// y = (1-3+10, 2+2+20; 4-6+10, 8+5+20) = (8 24; 8 33).
TEST_P(InnerProductTest, GoldenValues) {
  LayerRunner runner(Text("num_output: 2"), {Shape{2, 3}}, On());
  EXPECT_EQ(runner.param_shape(0), (Shape{2, 3}));
  EXPECT_EQ(runner.param_shape(1), (Shape{2}));
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6});
  runner.SetParam(0, {1, 0, -1, 2, 1, 0});
  runner.SetParam(1, {10, 20});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{8, 24, 8, 33}));
  EXPECT_EQ(runner.layer().ForwardFlops(), 2.0 * 2 * 3 * 2);
}

// The same with the weights stored the other way round.
TEST_P(InnerProductTest, TransposedWeights) {
  LayerRunner runner(Text("num_output: 2 transpose: true"), {Shape{2, 3}}, On());
  EXPECT_EQ(runner.param_shape(0), (Shape{3, 2}));
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6});
  runner.SetParam(0, {1, 2, 0, 1, -1, 0});
  runner.SetParam(1, {10, 20});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{8, 24, 8, 33}));
}

struct Case {
  std::string options;
  Shape bottom, top;
  int64_t rows;
};

TEST_P(InnerProductTest, AgreesWithALoop) {
  const std::vector<Case> cases = {
      {"num_output: 3", {2, 3, 2, 2}, {2, 3}, 2},
      {"num_output: 3 axis: 2 bias_term: false", {2, 3, 2, 2}, {2, 3, 3}, 6},
      {"num_output: 1 axis: -1", {2, 3, 4}, {2, 3, 1}, 6},
      {"num_output: 3 axis: 0", {5}, {3}, 1},
      {"num_output: 3 transpose: true axis: 2", {2, 2, 5}, {2, 2, 3}, 4},
      {"num_output: 130 ", {70, 65}, {70, 130}, 70},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.options);
    LayerRunner runner(Text(c.options), {c.bottom}, On());
    ASSERT_EQ(runner.top_shape(), c.top);
    runner.Forward();
    const std::vector<double> x = runner.Bottom(), w = runner.Param(0);
    const bool transpose = c.options.find("transpose") != std::string::npos;
    const int64_t outputs = c.top[-1], inputs = c.bottom.count() / c.rows;
    std::vector<double> y;
    for (int64_t r = 0; r < c.rows; ++r) {
      for (int64_t o = 0; o < outputs; ++o) {
        double sum = runner.params() > 1 ? runner.Param(1)[o] : 0;
        for (int64_t i = 0; i < inputs; ++i) {
          sum += x[r * inputs + i] * (transpose ? w[i * outputs + o] : w[o * inputs + i]);
        }
        y.push_back(sum);
      }
    }
    ExpectNear(runner.Top(), y, 1e-12);
  }
}

TEST_P(InnerProductTest, GradientsAreRight) {
  for (const std::string options : {"", "transpose: true", "axis: 2", "bias_term: false"}) {
    SCOPED_TRACE(options);
    LayerRunner runner(Text("num_output: 3 " + options), {Shape{2, 3, 2}}, On());
    CheckGradients(runner);
  }
}

TEST_P(InnerProductTest, FloatAgreesWithDouble) {
  LayerRunner exact(Text("num_output: 33"), {Shape{17, 40}}, On());
  LayerRunner runner(Text("num_output: 33"), {Shape{17, 40}}, On(DType::kFloat32));
  for (LayerRunner* r : {&exact, &runner}) {
    r->Forward();
    r->Backward();
  }
  ExpectNear(runner.Top(), exact.Top(), 1e-5);
  ExpectNear(runner.BottomDiff(), exact.BottomDiff(), 1e-5);
  ExpectNear(runner.ParamDiff(0), exact.ParamDiff(0), 1e-5);
  ExpectNear(runner.ParamDiff(1), exact.ParamDiff(1), 1e-5);
}

TEST_P(InnerProductTest, FrozenParametersGetNoGradient) {
  RunnerOptions options = On();
  options.wants_gradient = {false, false};
  LayerRunner runner(Text("num_output: 3"), {Shape{2, 3}}, options);
  CheckGradients(runner);
  for (int p : {0, 1}) {
    for (double d : runner.ParamDiff(p)) EXPECT_EQ(d, 0);
  }
}

TEST_P(InnerProductTest, EmptyBatch) {
  LayerRunner runner(Text("num_output: 3"), {Shape{0, 4}}, On());
  EXPECT_EQ(runner.top_shape(), (Shape{0, 3}));
  runner.Forward();
  runner.Backward();
  for (double d : runner.ParamDiff(0)) EXPECT_EQ(d, 0);
  for (double d : runner.ParamDiff(1)) EXPECT_EQ(d, 0);
}

TEST(InnerProductErrorTest, SaysWhatIsWrong) {
  ExpectError(
      [] {
        LayerRunner runner(Text(""), {Shape{2, 3}});
      },
      {"layer 'test' (InnerProduct)", "num_output is missing"});
  ExpectError(
      [] {
        LayerRunner runner(Text("num_output: 2 axis: 2"), {Shape{2, 3}});
      },
      {"layer 'test'", "axis"});
  ExpectError([] { LayerRunner runner(Text("num_output: 2"), {Shape{2, 0}}); }, {"no elements"});
  ExpectError(
      [] {
        LayerRunner runner(
            "type: 'InnerProduct' inner_product_param { num_output: 2 "
            "weight_filler { type: 'xavir' } }",
            {Shape{2, 3}});
      },
      {"weight_filler", "xavir", "xavier"});
  LayerRunner runner(Text("num_output: 2"), {Shape{2, 3}});
  ExpectError([&] { runner.Reshape({Shape{2, 4}}); }, {"4 values", "need 3"});
}

}  // namespace
}  // namespace crema::test
