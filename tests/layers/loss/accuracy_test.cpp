#include <gtest/gtest.h>

#include <limits>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class AccuracyTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, DType dtype = DType::kFloat64) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    options.tops = tops;
    options.phase = Phase::kTest;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(AccuracyTest);

std::string WithParams(const std::string& params) {
  return "name: 'acc' type: 'Accuracy' accuracy_param {" + params + "}";
}

// Rows of scores; the label's score is in brackets:
//   (1 [3] 2) right   ([1] 3 2) third, wrong   ([2] 2 1) a tie, wrong   (1 3 [2]) second, wrong
const std::vector<double> kScores = {1, 3, 2, 1, 3, 2, 2, 2, 1, 1, 3, 2};
const std::vector<double> kLabels = {1, 0, 0, 2};

TEST_P(AccuracyTest, CountsATieAsWrong) {
  LayerRunner runner(WithParams(""), {Shape{4, 3}, Shape{4}}, On());
  runner.SetBottom(0, kScores);
  runner.SetBottom(1, kLabels);
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), Shape{});
  ExpectNear(runner.Top(), {0.25}, 0);
}

// Among the two highest: all but the second row. Among the three highest: all.
TEST_P(AccuracyTest, LooksAtTheTopK) {
  for (int top_k : {2, 3}) {
    LayerRunner runner(WithParams("top_k: " + std::to_string(top_k)), {Shape{4, 3}, Shape{4}},
                       On());
    runner.SetBottom(0, kScores);
    runner.SetBottom(1, kLabels);
    runner.Forward();
    ExpectNear(runner.Top(), {top_k == 2 ? 0.75 : 1.0}, 0);
  }
}

TEST_P(AccuracyTest, LeavesOutIgnoredLabels) {
  LayerRunner runner(WithParams("ignore_label: 0"), {Shape{4, 3}, Shape{4}}, On());
  runner.SetBottom(0, kScores);
  runner.SetBottom(1, kLabels);
  runner.Forward();
  ExpectNear(runner.Top(), {0.5}, 0);  // rows 0 and 3 are left
  runner.SetBottom(1, {0, 0, 0, 0});
  runner.Forward();
  ExpectNear(runner.Top(), {0}, 0);
  EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
}

// Class 0 has two labels, both wrong; class 1 one, right; class 2 one, wrong; class 3 none.
TEST_P(AccuracyTest, GivesTheShareOfEachClassToASecondTop) {
  LayerRunner runner(WithParams("top_k: 2"), {Shape{4, 4}, Shape{4}}, On(2));
  runner.SetBottom(0, {1, 3, 2, 0, 1, 3, 2, 0, 2, 2, 1, 0, 3, 3, 2, 0});
  runner.SetBottom(1, {1, 0, 0, 2});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(1), Shape{4});
  // Rows: first, third, a tie for first (so second), third.
  ExpectNear(runner.Top(0), {0.5}, 0);
  ExpectNear(runner.Top(1), {0.5, 1, 0, 0}, 0);
}

TEST_P(AccuracyTest, AgreesWithALoopOnAnyAxis) {
  const Shape shape{4, 6, 5, 7};
  for (int axis : {0, 1, 2, 3}) {
    const int64_t outer = shape.Count(0, axis), channels = shape[axis];
    const int64_t inner = shape.CountFrom(axis + 1);
    const std::string text =
        WithParams("top_k: 2 ignore_label: 1 axis: " + std::to_string(axis - 4));
    LayerRunner runner(text, {shape, Shape{outer, inner}}, On(2, DType::kFloat32));
    runner.SetBottom(1, RandomLabels(outer * inner, static_cast<int>(channels)));
    runner.Forward();
    const std::vector<double> x = runner.Bottom(0), label = runner.Bottom(1);
    double hits = 0, labels = 0;
    std::vector<double> class_hits(channels, 0), class_labels(channels, 0);
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        const auto k = static_cast<int64_t>(label[o * inner + i]);
        if (k == 1) continue;
        const auto score = [&](int64_t c) { return x[(o * channels + c) * inner + i]; };
        int better = 0;
        for (int64_t c = 0; c < channels; ++c) better += c != k && score(c) >= score(k);
        const double hit = better < 2 ? 1 : 0;
        hits += hit;
        labels += 1;
        class_hits[k] += hit;
        class_labels[k] += 1;
      }
    }
    ExpectNear(runner.Top(0), {hits / labels}, 1e-6);
    std::vector<double> shares;
    for (int64_t c = 0; c < channels; ++c) {
      shares.push_back(class_labels[c] == 0 ? 0 : class_hits[c] / class_labels[c]);
    }
    ExpectNear(runner.Top(1), shares, 1e-6);
  }
}

// A net that has diverged must not look perfect.
TEST_P(AccuracyTest, CountsNanScoresAsWrong) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  LayerRunner runner(WithParams(""), {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(0, {nan, nan, nan, 1, nan, 0});
  runner.SetBottom(1, {0, 0});
  runner.Forward();
  ExpectNear(runner.Top(), {0}, 0);
}

TEST_P(AccuracyTest, ReportsLabelsThatAreOutOfRange) {
  LayerRunner runner(WithParams(""), {Shape{4, 3}, Shape{4}}, On(2));
  runner.SetBottom(0, kScores);
  runner.SetBottom(1, {1, 3, 2, -1});
  runner.Forward();
  ExpectNear(runner.Top(), {0.5}, 0);  // of rows 0 and 2
  const std::string problem = runner.layer().CheckAfterForward(runner.context());
  EXPECT_NE(problem.find("layer 'acc' (Accuracy): its bottom 'bottom1' holds 2 labels outside "
                         "0..2, the first is 3 at position 1"),
            std::string::npos)
      << problem;
  EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
}

TEST_P(AccuracyTest, TakesAnEmptyBatch) {
  LayerRunner runner(WithParams(""), {Shape{0, 3}, Shape{0}}, On(2));
  runner.Forward();
  ExpectNear(runner.Top(0), {0}, 0);
  ExpectNear(runner.Top(1), {0, 0, 0}, 0);
}

TEST_P(AccuracyTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(WithParams(""), {Shape{4, 3}, Shape{5}}, On());
      },
      {"layer 'acc' (Accuracy)", "4 3 (12)", "4 labels", "5 (5)"});
  ExpectError(
      [&] {
        LayerRunner(WithParams("top_k: 4"), {Shape{4, 3}, Shape{4}}, On());
      },
      {"top_k is 4", "from 1 to 3"});
}

TEST_P(AccuracyTest, HasNoGradient) {
  LayerRunner runner(WithParams(""), {Shape{4, 3}, Shape{4}}, On());
  EXPECT_FALSE(runner.layer().traits().has_backward);
  ExpectError([&] { runner.Backward({true, false}); }, {"layer 'acc' (Accuracy)"});
}

}  // namespace
}  // namespace crema::test
