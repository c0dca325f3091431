#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ConcatTest : public LayerTest {
 protected:
  RunnerOptions On() const {
    RunnerOptions options;
    options.device = device();
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ConcatTest);

std::string Text(const std::string& options) {
  return "type: 'Concat' concat_param { " + options + " }";
}

struct Case {
  std::string options;
  int axis;
  std::vector<Shape> bottoms;
  Shape top;
};

std::vector<Case> Cases() {
  return {
      {"", 1, {Shape{2, 3, 2, 2}, Shape{2, 1, 2, 2}}, Shape{2, 4, 2, 2}},
      {"axis: 0", 0, {Shape{1, 2, 3}, Shape{4, 2, 3}, Shape{2, 2, 3}}, Shape{7, 2, 3}},
      {"axis: -1", 2, {Shape{2, 2, 1}, Shape{2, 2, 5}}, Shape{2, 2, 6}},
      {"axis: -2", 1, {Shape{2, 2, 3}, Shape{2, 2, 3}}, Shape{2, 4, 3}},
      {"concat_dim: 0", 0, {Shape{2, 2}, Shape{1, 2}}, Shape{3, 2}},
      {"concat_dim: 1", 1, {Shape{2, 2}, Shape{2, 3}}, Shape{2, 5}},
      {"", 1, {Shape{2, 0, 2}, Shape{2, 3, 2}}, Shape{2, 3, 2}},
      {"", 1, {Shape{2, 3, 2}}, Shape{2, 3, 2}},
      {"", 1, {Shape{0, 3, 2}, Shape{0, 1, 2}}, Shape{0, 4, 2}},
  };
}

// Element (o, a, i) of the top, for a from the bottom that holds it.
std::vector<double> Join(const Case& c, const std::vector<std::vector<double>>& parts) {
  const int64_t outer = c.top.Count(0, c.axis), inner = c.top.CountFrom(c.axis + 1);
  std::vector<double> out;
  for (int64_t o = 0; o < outer; ++o) {
    for (size_t b = 0; b < parts.size(); ++b) {
      const int64_t extent = c.bottoms[b][c.axis];
      for (int64_t a = 0; a < extent; ++a) {
        for (int64_t i = 0; i < inner; ++i) {
          out.push_back(parts[b][static_cast<size_t>((o * extent + a) * inner + i)]);
        }
      }
    }
  }
  return out;
}

TEST_P(ConcatTest, JoinsAndTakesApart) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options + " " + c.top.ToString());
    LayerRunner runner(Text(c.options), c.bottoms, On());
    ASSERT_EQ(runner.top_shape(), c.top);
    std::vector<std::vector<double>> bottoms, diffs;
    for (int b = 0; b < runner.bottoms(); ++b) {
      runner.SetBottom(b, RandomValues(c.bottoms[b].count(), 20 + b));
      bottoms.push_back(runner.Bottom(b));
    }
    runner.Forward();
    EXPECT_EQ(runner.Top(), Join(c, bottoms));
    runner.Backward();
    for (int b = 0; b < runner.bottoms(); ++b) diffs.push_back(runner.BottomDiff(b));
    EXPECT_EQ(Join(c, diffs), runner.TopDiff());
  }
}

TEST_P(ConcatTest, GradientsAreRight) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options + " " + c.top.ToString());
    LayerRunner runner(Text(c.options), c.bottoms, On());
    CheckGradients(runner);
  }
}

TEST_P(ConcatTest, OnlyAskedBottomsGetGradients) {
  LayerRunner runner(Text(""), {Shape{2, 1}, Shape{2, 1}}, On());
  runner.Forward();
  runner.SetTopDiff(0, {1, 2, 3, 4});
  runner.Backward();
  EXPECT_EQ(runner.BottomDiff(0), (std::vector<double>{1, 3}));
  runner.SetTopDiff(0, {5, 6, 7, 8});
  runner.Backward({false, true});
  EXPECT_EQ(runner.BottomDiff(0), (std::vector<double>{1, 3}));
  EXPECT_EQ(runner.BottomDiff(1), (std::vector<double>{6, 8}));
}

TEST_P(ConcatTest, Errors) {
  const auto error = [&](const std::string& options, const std::vector<Shape>& bottoms,
                         const std::vector<std::string>& parts) {
    ExpectError([&] { LayerRunner(Text(options), bottoms, On()); }, parts);
  };
  error("", {Shape{2, 3, 4}, Shape{2, 3, 5}}, {"Concat", "2 3 4", "2 3 5", "axis 1"});
  error("", {Shape{2, 3}, Shape{2, 3, 1}}, {"Concat", "bottom 1"});
  error("axis: 3", {Shape{2, 3}, Shape{2, 3}}, {"Concat", "axis"});
  error("axis: 1 concat_dim: 1", {Shape{2, 3}, Shape{2, 3}}, {"Concat", "concat_dim"});
  error("concat_dim: 4294967295", {Shape{2, 3}, Shape{2, 3}}, {"Concat", "from 0 to 2147483647"});
}

}  // namespace
}  // namespace crema::test
