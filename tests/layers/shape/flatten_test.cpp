#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class FlattenTest : public LayerTest {
 protected:
  RunnerOptions On() const {
    RunnerOptions options;
    options.device = device();
    return options;
  }
};
CREMA_ON_ALL_DEVICES(FlattenTest);

std::string Text(const std::string& options) {
  return "type: 'Flatten' flatten_param { " + options + " }";
}

struct Case {
  std::string options;
  Shape bottom, top;
};

std::vector<Case> Cases() {
  return {{"", Shape{2, 3, 4, 5}, Shape{2, 60}},
          {"axis: 0", Shape{2, 3, 4, 5}, Shape{120}},
          {"axis: 2", Shape{2, 3, 4, 5}, Shape{2, 3, 20}},
          {"end_axis: -2", Shape{2, 3, 4, 5}, Shape{2, 12, 5}},
          {"axis: -2", Shape{2, 3, 4, 5}, Shape{2, 3, 20}},
          {"axis: 1 end_axis: 1", Shape{2, 3, 4}, Shape{2, 3, 4}},
          {"axis: 2 end_axis: 1", Shape{2, 3, 4}, Shape{2, 3, 1, 4}},
          {"", Shape{2, 3}, Shape{2, 3}},
          {"", Shape{0, 3, 4}, Shape{0, 12}}};
}

TEST_P(FlattenTest, ShapesAndValues) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    LayerRunner runner(Text(c.options), {c.bottom}, On());
    EXPECT_EQ(runner.top_shape(), c.top);
    const std::vector<double> x = runner.Bottom();
    runner.Forward();
    EXPECT_EQ(runner.Top(), x);
    runner.SetTopDiff(0, RandomValues(c.top.count(), 9));
    runner.Backward();
    EXPECT_EQ(runner.BottomDiff(), RandomValues(c.top.count(), 9));
  }
}

TEST_P(FlattenTest, GradientsAreRight) {
  LayerRunner runner(Text(""), {Shape{2, 3, 2}}, On());
  CheckGradients(runner);
}

TEST_P(FlattenTest, Errors) {
  ExpectError(
      [&] {
        LayerRunner(Text("axis: 3 end_axis: 1"), {Shape{2, 3, 4, 5}}, On());
      },
      {"Flatten", "axis is 3", "end_axis is 1"});
  ExpectError([&] { LayerRunner(Text("axis: 4"), {Shape{2, 3}}, On()); }, {"Flatten", "axis"});
  ExpectError([&] { LayerRunner(Text(""), {Shape{2}}, On()); }, {"Flatten", "axis"});
}

}  // namespace
}  // namespace crema::test
