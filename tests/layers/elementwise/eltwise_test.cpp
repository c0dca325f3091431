#include <gtest/gtest.h>

#include <algorithm>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class EltwiseTest : public LayerTest {
 protected:
  RunnerOptions On(bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(EltwiseTest);

std::string Text(const std::string& options) {
  return "type: 'Eltwise' eltwise_param { " + options + " }";
}

const Shape kShape{2, 3, 2, 2};

std::vector<Shape> Bottoms(int count) { return std::vector<Shape>(count, kShape); }

// Options, and y of the values of three bottoms.
struct Case {
  std::string options;
  double (*y)(double, double, double);
};

std::vector<Case> Cases() {
  return {
      {"", [](double a, double b, double c) { return a + b + c; }},
      {"coeff: 2 coeff: -0.5 coeff: 1",
       [](double a, double b, double c) { return 2 * a - 0.5 * b + c; }},
      {"operation: PROD", [](double a, double b, double c) { return a * b * c; }},
      {"operation: PROD stable_prod_grad: false",
       [](double a, double b, double c) { return a * b * c; }},
      {"operation: MAX", [](double a, double b, double c) { return std::max(a, std::max(b, c)); }}};
}

TEST_P(EltwiseTest, AgreesWithALoop) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options);
    LayerRunner runner(Text(c.options), Bottoms(3), On());
    ASSERT_EQ(runner.top_shape(), kShape);
    std::vector<std::vector<double>> x;
    for (int b = 0; b < 3; ++b) {
      runner.SetBottom(b, RandomValues(kShape.count(), 30 + b));
      x.push_back(runner.Bottom(b));
    }
    runner.Forward();
    std::vector<double> y;
    for (size_t i = 0; i < x[0].size(); ++i) y.push_back(c.y(x[0][i], x[1][i], x[2][i]));
    ExpectNear(runner.Top(), y, 1e-14);
  }
}

TEST_P(EltwiseTest, GradientsAreRight) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options);
    LayerRunner runner(Text(c.options), Bottoms(3), On());
    for (int b = 0; b < 3; ++b) {
      // Apart from 0, by which the unstable product divides, and from each other.
      std::vector<double> x = RandomLabels(kShape.count(), 20, 40 + b);
      for (double& v : x) v = (v - 10) * 0.3 + 0.05 + 0.1 * b;
      runner.SetBottom(b, x);
    }
    CheckGradients(runner);
  }
}

TEST_P(EltwiseTest, ProductsWithZeroHaveGradients) {
  LayerRunner runner(Text("operation: PROD"), {Shape{1, 3}, Shape{1, 3}}, On());
  runner.SetBottom(0, {0, 2, 0});
  runner.SetBottom(1, {3, 0, 0});
  runner.SetTopDiff(0, {1, 1, 1});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(runner.BottomDiff(0), (std::vector<double>{3, 0, 0}));
  EXPECT_EQ(runner.BottomDiff(1), (std::vector<double>{0, 2, 0}));
}

// Of three bottoms: the second wins a tie with the first, the third must be larger.
TEST_P(EltwiseTest, GoldenTiesOfMaxima) {
  LayerRunner runner(Text("operation: MAX"), {Shape{1, 4}, Shape{1, 4}, Shape{1, 4}}, On());
  runner.SetBottom(0, {1, 5, 5, 0});
  runner.SetBottom(1, {1, 4, 0, 2});
  runner.SetBottom(2, {1, 5, 6, 2});
  runner.SetTopDiff(0, {1, 2, 3, 4});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{1, 5, 6, 2}));
  EXPECT_EQ(runner.BottomDiff(0), (std::vector<double>{0, 2, 0, 0}));
  EXPECT_EQ(runner.BottomDiff(1), (std::vector<double>{1, 0, 0, 4}));
  EXPECT_EQ(runner.BottomDiff(2), (std::vector<double>{0, 0, 3, 0}));
}

TEST_P(EltwiseTest, InPlaceIsTheSame) {
  for (const char* options : {"", "coeff: 2 coeff: -1", "operation: MAX"}) {
    SCOPED_TRACE(options);
    LayerRunner apart(Text(options), Bottoms(2), On()),
        in_place(Text(options), Bottoms(2), On(true));
    const std::vector<double> dy = RandomValues(kShape.count(), 50);
    for (LayerRunner* runner : {&apart, &in_place}) {
      runner->SetBottom(0, RandomValues(kShape.count(), 51));
      runner->SetBottom(1, RandomValues(kShape.count(), 52));
      runner->Forward();
      runner->SetTopDiff(0, dy);
    }
    EXPECT_EQ(in_place.Top(), apart.Top());
    apart.Backward();
    in_place.Backward();
    EXPECT_EQ(in_place.BottomDiff(0), apart.BottomDiff(0));
    EXPECT_EQ(in_place.BottomDiff(1), apart.BottomDiff(1));
  }
}

TEST_P(EltwiseTest, EmptyBatch) {
  for (const Case& c : Cases()) {
    LayerRunner runner(Text(c.options), std::vector<Shape>(3, Shape{0, 4}), On());
    runner.Forward();
    runner.Backward();
    EXPECT_EQ(runner.top_shape(), (Shape{0, 4}));
  }
}

TEST_P(EltwiseTest, Errors) {
  ExpectError(
      [&] {
        LayerRunner(Text(""), {Shape{2, 3}, Shape{3, 2}}, On());
      },
      {"Eltwise", "2 3", "3 2"});
  ExpectError([&] { LayerRunner(Text("coeff: 1"), Bottoms(2), On()); },
              {"Eltwise", "1 coeff", "2 bottoms"});
  ExpectError([&] { LayerRunner(Text("coeff: 1 coeff: 1 operation: PROD"), Bottoms(2), On()); },
              {"Eltwise", "only with operation SUM"});
}

}  // namespace
}  // namespace crema::test
