#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ScaleTest : public LayerTest {
 protected:
  RunnerOptions On(bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ScaleTest);

constexpr const char* kFillers =
    " filler { type: 'gaussian' mean: 1 std: 0.5 } bias_filler { type: 'gaussian' std: 1 }";

std::string Text(const std::string& options) {
  return "type: 'Scale' scale_param { " + options + " }";
}

// Options, the factor's shape for a bottom of 2 x 3 x 4 x 5, and how often each element of it is
// repeated in a row of the bottom's memory (the extents behind the factor's axes).
struct Case {
  std::string options;
  Shape scale;
  int64_t inner;
};

std::vector<Case> Cases() {
  return {{"", Shape{3}, 20},
          {"axis: 0", Shape{2}, 60},
          {"axis: -1", Shape{5}, 1},
          {"axis: 1 num_axes: 2", Shape{3, 4}, 5},
          {"axis: 2 num_axes: -1", Shape{4, 5}, 1},
          {"axis: 0 num_axes: -1", Shape{2, 3, 4, 5}, 1},
          {"num_axes: 0", Shape{}, 120}};
}

const Shape kBottom{2, 3, 4, 5};

TEST_P(ScaleTest, AgreesWithALoop) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options);
    LayerRunner runner(Text(c.options + " bias_term: true" + kFillers), {kBottom}, On());
    ASSERT_EQ(runner.params(), 2);
    ASSERT_EQ(runner.param_shape(0), c.scale);
    ASSERT_EQ(runner.param_shape(1), c.scale);
    runner.Forward();
    runner.Backward();
    const std::vector<double> x = runner.Bottom(), s = runner.Param(0), b = runner.Param(1),
                              dy = runner.TopDiff();
    std::vector<double> y, dx, ds(s.size()), db(s.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t k = i / static_cast<size_t>(c.inner) % s.size();
      y.push_back(x[i] * s[k] + b[k]);
      dx.push_back(dy[i] * s[k]);
      ds[k] += dy[i] * x[i];
      db[k] += dy[i];
    }
    ExpectNear(runner.Top(), y, 1e-13);
    ExpectNear(runner.BottomDiff(), dx, 1e-13);
    ExpectNear(runner.ParamDiff(0), ds, 1e-12);
    ExpectNear(runner.ParamDiff(1), db, 1e-12);
  }
}

TEST_P(ScaleTest, ParametersBeginAtOneAndZero) {
  LayerRunner runner(Text("bias_term: true"), {kBottom}, On());
  EXPECT_EQ(runner.Param(0), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(runner.Param(1), (std::vector<double>{0, 0, 0}));
  LayerRunner no_bias(Text(""), {kBottom}, On());
  EXPECT_EQ(no_bias.params(), 1);
}

TEST_P(ScaleTest, GradientsAreRight) {
  for (const Case& c : Cases()) {
    for (const char* bias : {" bias_term: true", ""}) {
      SCOPED_TRACE(c.options + bias);
      LayerRunner runner(Text(c.options + bias + kFillers), {kBottom}, On());
      CheckGradients(runner);
    }
  }
}

TEST_P(ScaleTest, GradientsOfTheSecondBottomAreRight) {
  for (const Case& c : Cases()) {
    for (const char* bias : {" bias_term: true", ""}) {
      SCOPED_TRACE(c.options + bias);
      // With two bottoms num_axes has no say.
      LayerRunner runner(Text(c.options + bias), {kBottom, c.scale}, On());
      EXPECT_EQ(runner.params(), *bias == 0 ? 0 : 1);
      CheckGradients(runner);
    }
  }
}

// Rows (1 2), (3 4) times (10, 100).
TEST_P(ScaleTest, GoldenSecondBottom) {
  LayerRunner runner(Text(""), {Shape{2, 2}, Shape{2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.SetBottom(1, {10, 100});
  runner.SetTopDiff(0, {1, 1, 1, 2});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{10, 200, 30, 400}));
  runner.Backward();
  EXPECT_EQ(runner.BottomDiff(0), (std::vector<double>{10, 100, 10, 200}));
  EXPECT_EQ(runner.BottomDiff(1), (std::vector<double>{4, 10}));
}

TEST_P(ScaleTest, InPlaceIsTheSame) {
  for (const bool two : {false, true}) {
    SCOPED_TRACE(two);
    std::vector<Shape> bottoms = {kBottom};
    if (two) bottoms.push_back(Shape{3});
    const std::string text = Text(two ? "" : std::string("bias_term: true") + kFillers);
    LayerRunner apart(text, bottoms, On()), in_place(text, bottoms, On(true));
    const std::vector<double> x = RandomValues(kBottom.count(), 11),
                              dy = RandomValues(kBottom.count(), 12);
    for (LayerRunner* runner : {&apart, &in_place}) {
      runner->SetBottom(0, x);
      runner->Forward();
      runner->SetTopDiff(0, dy);
    }
    EXPECT_EQ(in_place.Top(), apart.Top());
    in_place.SetBottom(0, std::vector<double>(x.size(), 0));  // as a later layer in place would
    apart.Backward();
    in_place.Backward();
    EXPECT_EQ(in_place.BottomDiff(), apart.BottomDiff());
    if (two) {
      EXPECT_EQ(in_place.BottomDiff(1), apart.BottomDiff(1));
    } else {
      EXPECT_EQ(in_place.ParamDiff(0), apart.ParamDiff(0));
    }
  }
}

TEST_P(ScaleTest, EmptyBatch) {
  LayerRunner runner(Text("bias_term: true"), {Shape{0, 3, 4, 5}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.ParamDiff(0), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(runner.ParamDiff(1), (std::vector<double>{0, 0, 0}));
}

TEST_P(ScaleTest, Errors) {
  ExpectError(
      [&] {
        LayerRunner(Text(""), {kBottom, Shape{4}}, On());
      },
      {"Scale", "(4)", "2 3 4 5"});
  ExpectError([&] { LayerRunner(Text("axis: 3 num_axes: 2"), {kBottom}, On()); },
              {"Scale", "num_axes is 2", "axis is 3"});
  ExpectError([&] { LayerRunner(Text("axis: 4"), {kBottom}, On()); }, {"Scale", "axis"});
}

}  // namespace
}  // namespace crema::test
