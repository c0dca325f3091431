#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SoftmaxWithLossTest : public LayerTest {
 protected:
  RunnerOptions On(DType dtype = DType::kFloat64, int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(SoftmaxWithLossTest);

std::string WithParams(const std::string& loss_param, const std::string& softmax_param = "") {
  return "name: 'loss' type: 'SoftmaxWithLoss' loss_param {" + loss_param + "} softmax_param {" +
         softmax_param + "}";
}

double NaiveLossSum(const std::vector<double>& x, const std::vector<double>& label, int64_t outer,
                    int64_t channels, int64_t inner) {
  double loss = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      const auto at = [&](int64_t c) { return (o * channels + c) * inner + i; };
      double sum = 0;
      for (int64_t c = 0; c < channels; ++c) sum += std::exp(x[at(c)]);
      loss -= std::log(std::exp(x[at(static_cast<int64_t>(label[o * inner + i]))]) / sum);
    }
  }
  return loss;
}

// Two images of two pixels, two classes. The scores are logarithms of probabilities, so the
// softmax gives those probabilities:
//   image 0: pixel 0 (1/2, 1/2) label 0; pixel 1 (3/4, 1/4) label 1
//   image 1: pixel 0 (1/3, 2/3) label 9, ignored; pixel 1 (1/8, 7/8) label 0
// Sum of losses: ln 2 + ln 4 + ln 8 = 6 ln 2. Labels: 4 in all, 3 that count; 2 images.
struct Golden {
  std::vector<double> scores, labels = {0, 1, 9, 0};
  // Of each score of a counted label, before the division: p - [is label].
  std::vector<double> slopes = {-0.5, 0.75, 0.5, -0.75, 0, -0.875, 0, 0.875};
  Golden() {
    const double p[] = {0.5, 0.75, 0.5, 0.25, 1.0 / 3, 0.125, 2.0 / 3, 0.875};
    for (double v : p) scores.push_back(std::log(v));
  }
};

TEST_P(SoftmaxWithLossTest, NormalizesAsAskedWithIgnoredLabels) {
  const Golden golden;
  struct Case {
    const char* options;
    double divisor;
  };
  for (const Case& c : std::vector<Case>{{"", 3},
                                         {"normalization: VALID", 3},
                                         {"normalization: FULL", 4},
                                         {"normalization: BATCH_SIZE", 2},
                                         {"normalization: NONE", 1},
                                         {"normalize: true", 3},
                                         {"normalize: false", 2},
                                         {"normalize: true normalization: NONE", 1},
                                         {"normalize: false normalization: FULL", 4}}) {
    SCOPED_TRACE(c.options);
    LayerRunner runner(WithParams(std::string("ignore_label: 9 ") + c.options),
                       {Shape{2, 2, 1, 2}, Shape{2, 1, 2}}, On());
    runner.SetBottom(0, golden.scores);
    runner.SetBottom(1, golden.labels);
    runner.SetTopDiff(0, {2.5});
    runner.Forward();
    runner.Backward();
    EXPECT_EQ(runner.top_shape(), Shape{});
    ExpectNear(runner.Top(), {6 * std::log(2.0) / c.divisor}, 1e-14);
    std::vector<double> expected = golden.slopes;
    for (double& slope : expected) slope *= 2.5 / c.divisor;
    ExpectNear(runner.BottomDiff(), expected, 1e-14);
    EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
  }
}

// The divisor is at least 1, so nothing is divided by zero.
TEST_P(SoftmaxWithLossTest, GivesZeroWhereAllLabelsAreIgnored) {
  LayerRunner runner(WithParams("ignore_label: -1"), {Shape{3, 4}, Shape{3}}, On());
  runner.SetBottom(1, {-1, -1, -1});
  runner.SetTopDiff(0, {1});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0}, 0);
  ExpectNear(runner.BottomDiff(), std::vector<double>(12, 0), 0);
  EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
}

TEST_P(SoftmaxWithLossTest, AgreesWithALoop) {
  struct Case {
    const char* softmax;
    Shape scores, labels;
    int64_t outer, channels, inner;
  };
  for (const Case& c :
       std::vector<Case>{{"", Shape{64, 10}, Shape{64}, 64, 10, 1},
                         {"", Shape{64, 10, 1, 1}, Shape{64, 1, 1, 1}, 64, 10, 1},
                         {"", Shape{2, 21, 30, 33}, Shape{2, 1, 30, 33}, 2, 21, 990},
                         {"axis: -1", Shape{4, 5, 6}, Shape{4, 5}, 20, 6, 1},
                         {"axis: 0", Shape{7, 4}, Shape{4}, 1, 7, 4}}) {
    for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
      LayerRunner runner(WithParams("normalization: NONE", c.softmax), {c.scores, c.labels},
                         On(dtype));
      runner.SetBottom(1, RandomLabels(c.labels.count(), static_cast<int>(c.channels)));
      runner.Forward();
      const double expected =
          NaiveLossSum(runner.Bottom(0), runner.Bottom(1), c.outer, c.channels, c.inner);
      ExpectNear(runner.Top(), {expected}, dtype == DType::kFloat64 ? 1e-12 : 1e-6);
    }
  }
}

TEST_P(SoftmaxWithLossTest, GradientsAgreeWithDifferences) {
  for (const char* options : {"", "ignore_label: 1", "normalization: BATCH_SIZE"}) {
    for (const char* softmax : {"", "axis: 2"}) {
      const bool last = std::string(softmax) == "axis: 2";
      LayerRunner runner(WithParams(options, softmax),
                         {Shape{3, 4, 5}, last ? Shape{3, 4} : Shape{3, 5}}, On());
      runner.SetBottom(1, RandomLabels(last ? 12 : 15, 4));
      runner.SetTopDiff(0, {2.5});
      CheckGradients(runner);
    }
  }
}

TEST_P(SoftmaxWithLossTest, GivesTheProbabilitiesToASecondTop) {
  const Golden golden;
  LayerRunner runner(WithParams("ignore_label: 9"), {Shape{2, 2, 2}, Shape{2, 2}},
                     On(DType::kFloat64, 2));
  runner.SetBottom(0, golden.scores);
  runner.SetBottom(1, golden.labels);
  runner.Forward();
  EXPECT_EQ(runner.top_shape(1), (Shape{2, 2, 2}));
  ExpectNear(runner.Top(0), {2 * std::log(2.0)}, 1e-14);
  ExpectNear(runner.Top(1), {0.5, 0.75, 0.5, 0.25, 1.0 / 3, 0.125, 2.0 / 3, 0.875}, 1e-14);
}

// A probability counts as no less than FLT_MIN, as in Caffe; the gradient is the plain one.
TEST_P(SoftmaxWithLossTest, BoundsTheLoss) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    LayerRunner runner(WithParams(""), {Shape{1, 2}, Shape{1}}, On(dtype));
    runner.SetBottom(0, {0, 500});
    runner.SetBottom(1, {0});
    runner.SetTopDiff(0, {1});
    runner.Forward();
    runner.Backward();
    ExpectNear(runner.Top(), {-std::log(static_cast<double>(FLT_MIN))}, 1e-6);
    ExpectNear(runner.BottomDiff(), {-1, 1}, 1e-6);
  }
}

TEST_P(SoftmaxWithLossTest, CutsOffALabelsFraction) {
  LayerRunner runner(WithParams(""), {Shape{3, 2}, Shape{3}}, On());
  runner.SetBottom(0, {0, std::log(3.0), 0, std::log(3.0), 0, std::log(3.0)});
  runner.SetBottom(1, {0.9, 1.9, -0.5});  // 0, 1, 0
  runner.Forward();
  ExpectNear(runner.Top(), {(std::log(4.0) + std::log(4.0 / 3) + std::log(4.0)) / 3}, 1e-14);
  EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
}

TEST_P(SoftmaxWithLossTest, ReportsLabelsThatAreOutOfRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  LayerRunner runner(WithParams("ignore_label: 255"), {Shape{6, 3}, Shape{6}}, On());
  runner.SetTopDiff(0, {1});
  for (double bad : {3.0, -1.0, 254.0, 1e30, -1e30, nan}) {
    SCOPED_TRACE(bad);
    runner.SetBottom(1, {0, 255, bad, 2, bad, 1});
    runner.Forward();
    runner.Backward();
    // They count as ignored, and nothing is read out of bounds.
    EXPECT_TRUE(std::isfinite(runner.Top()[0]));
    const std::vector<double> gradient = runner.BottomDiff();
    for (int row : {1, 2, 4}) {
      for (int c = 0; c < 3; ++c) EXPECT_EQ(gradient[row * 3 + c], 0) << row << " " << c;
    }
    const std::string problem = runner.layer().CheckAfterForward(runner.context());
    for (const char* part : {"layer 'loss' (SoftmaxWithLoss): its bottom 'bottom1' holds 2 labels "
                             "outside 0..2",
                             "at position 2;", "ignore_label 255"}) {
      EXPECT_NE(problem.find(part), std::string::npos) << part << " is not in: " << problem;
    }
    if (bad == 254) {
      EXPECT_NE(problem.find("the first is 254 "), std::string::npos) << problem;
    }
    EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "") << "it is told once";
  }
}

// The host looks only now and then: later batches do not wipe out the note.
TEST_P(SoftmaxWithLossTest, RemembersBadLabelsOverGoodBatches) {
  LayerRunner runner(WithParams(""), {Shape{4, 3}, Shape{4}}, On(DType::kFloat32));
  EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "") << "before any pass";
  runner.SetBottom(1, {0, 1, 2, 7});
  runner.Forward();
  runner.SetBottom(1, {8, 1, 2, 0});
  runner.Forward();
  runner.SetBottom(1, {0, 1, 2, 0});
  runner.Forward();
  const std::string problem = runner.layer().CheckAfterForward(runner.context());
  EXPECT_NE(problem.find("holds 2 labels outside 0..2, the first is 7 at position 3"),
            std::string::npos)
      << problem;
}

TEST_P(SoftmaxWithLossTest, TakesAnEmptyBatch) {
  for (const char* options : {"", "normalization: FULL", "normalization: BATCH_SIZE"}) {
    LayerRunner runner(WithParams(options), {Shape{0, 3}, Shape{0}}, On());
    runner.Forward();
    runner.Backward();
    ExpectNear(runner.Top(), {0}, 0);
    EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
  }
}

TEST_P(SoftmaxWithLossTest, TakesANewBatchSize) {
  LayerRunner runner(WithParams("normalization: NONE"), {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(1, {0, 1});
  runner.Forward();
  runner.Reshape({Shape{5, 3}, Shape{5}});
  runner.SetBottom(1, {0, 1, 2, 0, 1});
  runner.Forward();
  ExpectNear(runner.Top(), {NaiveLossSum(runner.Bottom(0), runner.Bottom(1), 5, 3, 1)}, 1e-13);
  EXPECT_EQ(runner.layer().CheckAfterForward(runner.context()), "");
}

TEST_P(SoftmaxWithLossTest, RefusesLabelsThatDoNotFit) {
  const auto make = [&](const Shape& labels, const char* softmax = "") {
    LayerRunner(WithParams("", softmax), {Shape{4, 3, 2, 2}, labels}, On());
  };
  ExpectError([&] { make(Shape{4}); },
              {"layer 'loss' (SoftmaxWithLoss)", "4 3 2 2 (48)", "16 labels", "4 (4)"});
  ExpectError([&] { make(Shape{2, 8}); }, {"16 labels", "2 8 (16)"});
  ExpectError([&] { make(Shape{4}, "axis: 7"); }, {"axis is 7"});
}

TEST_P(SoftmaxWithLossTest, IsALossWithoutGradientForItsLabels) {
  LayerRunner runner(WithParams(""), {Shape{2, 3}, Shape{2}}, On());
  const LayerTraits traits = runner.layer().traits();
  EXPECT_TRUE(traits.is_loss);
  EXPECT_TRUE(traits.adds_missing_tops);
  EXPECT_EQ(traits.no_gradient_bottoms, std::vector<int>{1});
}

}  // namespace
}  // namespace crema::test
