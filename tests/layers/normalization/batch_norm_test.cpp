#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class BatchNormTest : public LayerTest {
 protected:
  RunnerOptions On(Phase phase = Phase::kTrain, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.phase = phase;
    options.in_place = in_place;
    options.wants_gradient = {false, false, false};
    return options;
  }
};
CREMA_ON_ALL_DEVICES(BatchNormTest);

std::string Text(const std::string& options) {
  return "type: 'BatchNorm' batch_norm_param { " + options + " }";
}

// y and dx of one channel's values, straight from the definition: dx is the Jacobian of y times dy.
struct Naive {
  std::vector<double> y, dx;

  Naive(const std::vector<double>& x, const std::vector<double>& dy, double eps) {
    const double n = static_cast<double>(x.size());
    double mean = 0, variance = 0;
    for (double v : x) mean += v / n;
    for (double v : x) variance += (v - mean) * (v - mean) / n;
    const double deviation = std::sqrt(variance + eps);
    for (double v : x) y.push_back((v - mean) / deviation);
    for (size_t i = 0; i < x.size(); ++i) {
      double sum = 0;
      for (size_t j = 0; j < x.size(); ++j) {
        sum += dy[j] * ((i == j ? 1.0 : 0.0) - 1 / n - y[i] * y[j] / n) / deviation;
      }
      dx.push_back(sum);
    }
  }
};

// The values of one channel of N x C x inner.
std::vector<double> Channel(const std::vector<double>& all, int64_t channels, int64_t inner,
                            int64_t c) {
  std::vector<double> out;
  for (int64_t i = 0; i < static_cast<int64_t>(all.size()); ++i) {
    if (i / inner % channels == c) out.push_back(all[static_cast<size_t>(i)]);
  }
  return out;
}

TEST_P(BatchNormTest, AgreesWithTheDefinition) {
  for (const Shape& shape :
       {Shape{2, 3, 4, 5}, Shape{6, 4}, Shape{3, 2, 7}, Shape{2, 2, 2, 3, 2}}) {
    SCOPED_TRACE(shape.ToString());
    LayerRunner runner(Text("eps: 0.01"), {shape}, On());
    ASSERT_EQ(runner.top_shape(), shape);
    const std::vector<double> x = RandomValues(shape.count(), 3, 1.5, 2);
    runner.SetBottom(0, x);
    runner.Forward();
    runner.Backward();
    const int64_t channels = shape[1], inner = shape.CountFrom(2);
    for (int64_t c = 0; c < channels; ++c) {
      const auto of = [&](const std::vector<double>& all) {
        return Channel(all, channels, inner, c);
      };
      const Naive naive(of(x), of(runner.TopDiff()), 0.01f);
      ExpectNear(of(runner.Top()), naive.y, 1e-12);
      ExpectNear(of(runner.BottomDiff()), naive.dx, 1e-12);
    }
  }
}

// Channel 0 holds 1 and 3: mean 2, variance 1, unbiased 2. Channel 1 holds 2 and 6: mean 4,
// variance 4, unbiased 8. The stored sums begin at 0 and keep a half of what they were.
TEST_P(BatchNormTest, GoldenStatistics) {
  LayerRunner runner(Text("eps: 0 moving_average_fraction: 0.5"), {Shape{2, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 6});
  runner.Forward();
  ExpectNear(runner.Top(), {-1, -1, 1, 1}, 1e-14);
  EXPECT_EQ(runner.Param(0), (std::vector<double>{2, 4}));
  EXPECT_EQ(runner.Param(1), (std::vector<double>{2, 8}));
  EXPECT_EQ(runner.Param(2), (std::vector<double>{1}));
  runner.SetBottom(0, {0, 0, 4, 0});  // means 2 and 0, unbiased variances 8 and 0
  runner.Forward();
  EXPECT_EQ(runner.Param(0), (std::vector<double>{3, 2}));
  EXPECT_EQ(runner.Param(1), (std::vector<double>{9, 4}));
  EXPECT_EQ(runner.Param(2), (std::vector<double>{1.5}));
}

// Sums of weight 2: means 2 and 4, variances 1 and 4.
TEST_P(BatchNormTest, GoldenUseOfStoredStatistics) {
  const auto check = [&](const std::string& options, Phase phase) {
    SCOPED_TRACE(options);
    LayerRunner runner(Text(options), {Shape{2, 2}}, On(phase));
    runner.SetParam(0, {4, 8});
    runner.SetParam(1, {2, 8});
    runner.SetParam(2, {2});
    runner.SetBottom(0, {1, 2, 3, 8});
    runner.SetTopDiff(0, {1, 1, 2, -4});
    runner.Forward();
    ExpectNear(runner.Top(), {-1, -1, 1, 2}, 1e-14);
    runner.Backward();
    ExpectNear(runner.BottomDiff(), {1, 0.5, 2, -2}, 1e-14);
    EXPECT_EQ(runner.Param(0), (std::vector<double>{4, 8}));
    EXPECT_EQ(runner.Param(2), (std::vector<double>{2}));
  };
  check("eps: 0", Phase::kTest);
  check("eps: 0 use_global_stats: true", Phase::kTrain);
}

TEST_P(BatchNormTest, UseGlobalStatsFalseHoldsInTests) {
  LayerRunner runner(Text("eps: 0 use_global_stats: false"), {Shape{2, 1}}, On(Phase::kTest));
  runner.SetBottom(0, {5, 9});
  runner.Forward();
  ExpectNear(runner.Top(), {-1, 1}, 1e-14);
}

TEST_P(BatchNormTest, NothingLearnedYetMeansMeanAndVarianceZero) {
  LayerRunner runner(Text("eps: 0.25"), {Shape{1, 2}}, On(Phase::kTest));
  runner.SetBottom(0, {3, -1});
  runner.Forward();
  ExpectNear(runner.Top(), {6, -2}, 1e-14);
}

// One value a channel: its variance is 0, and so is the unbiased one.
TEST_P(BatchNormTest, OneValueAChannel) {
  LayerRunner runner(Text("eps: 0.01"), {Shape{1, 3}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(runner.BottomDiff(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(runner.Param(1), (std::vector<double>{0, 0, 0}));
}

// mean(x^2) - mean(x)^2 would lose all digits of a variance of 1 beside 10000^2.
TEST_P(BatchNormTest, LargeMeansDoNotHideTheVariance) {
  RunnerOptions options = On();
  options.dtype = DType::kFloat32;
  LayerRunner runner(Text("eps: 0"), {Shape{4, 1}}, options);
  runner.SetBottom(0, {9999, 10001, 9999, 10001});
  runner.Forward();
  ExpectNear(runner.Top(), {-1, 1, -1, 1}, 1e-6);
}

TEST_P(BatchNormTest, GradientsAreRight) {
  for (const char* options : {"", "eps: 0.1", "use_global_stats: true"}) {
    SCOPED_TRACE(options);
    LayerRunner runner(Text(options), {Shape{3, 2, 2, 2}}, On());
    runner.SetParam(0, {0.5, -1});
    runner.SetParam(1, {2, 3});
    runner.SetParam(2, {2});
    CheckGradients(runner);
  }
}

TEST_P(BatchNormTest, InPlaceIsTheSame) {
  const Shape shape{3, 2, 2, 2};
  for (Phase phase : {Phase::kTrain, Phase::kTest}) {
    LayerRunner apart(Text(""), {shape}, On(phase)), in_place(Text(""), {shape}, On(phase, true));
    const std::vector<double> x = RandomValues(shape.count(), 11), dy = RandomValues(shape.count());
    for (LayerRunner* runner : {&apart, &in_place}) {
      runner->SetBottom(0, x);
      runner->Forward();
      runner->SetTopDiff(0, dy);
    }
    EXPECT_EQ(in_place.Top(), apart.Top());
    // What a later layer in place would do.
    in_place.SetBottom(0, std::vector<double>(x.size(), 0));
    apart.Backward();
    in_place.Backward();
    EXPECT_EQ(in_place.BottomDiff(), apart.BottomDiff());
  }
}

TEST_P(BatchNormTest, EmptyBatchLeavesTheStatisticsAlone) {
  LayerRunner runner(Text(""), {Shape{0, 2, 3, 3}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 2, 3, 3}));
  EXPECT_EQ(runner.Param(2), (std::vector<double>{0}));
}

TEST_P(BatchNormTest, Errors) {
  ExpectError([&] { LayerRunner(Text(""), {Shape{}}, On()); }, {"BatchNorm", "scalar"});
  ExpectError(
      [&] {
        LayerRunner(Text("") + " param { lr_mult: 1 }", {Shape{2, 2}}, On());
      },
      {"BatchNorm", "lr_mult: 0"});
}

}  // namespace
}  // namespace crema::test
