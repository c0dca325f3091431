#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class MvnTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(MvnTest);

std::string Mvn(const std::string& options) { return "type: 'MVN' mvn_param { " + options + " }"; }

std::vector<double> NaiveMvn(const std::vector<double>& x, size_t length, bool divides,
                             double eps) {
  std::vector<double> y;
  for (size_t first = 0; first < x.size(); first += length) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < length; ++i) mean += x[first + i] / length;
    for (size_t i = 0; i < length; ++i) {
      variance += (x[first + i] - mean) * (x[first + i] - mean) / length;
    }
    const double divisor = divides ? std::sqrt(variance) + eps : 1;
    for (size_t i = 0; i < length; ++i) y.push_back((x[first + i] - mean) / divisor);
  }
  return y;
}

TEST_P(MvnTest, AgreesWithALoop) {
  const Shape shape{2, 3, 4, 5};
  LayerRunner channels(Mvn(""), {shape}, On());
  LayerRunner items(Mvn("across_channels: true eps: 0.5"), {shape}, On());
  LayerRunner mean(Mvn("normalize_variance: false"), {shape}, On());
  for (LayerRunner* runner : {&channels, &items, &mean}) runner->Forward();
  const std::vector<double> x = channels.Bottom();
  ExpectNear(channels.Top(), NaiveMvn(x, 20, true, 1e-9), 1e-8);
  ExpectNear(items.Top(), NaiveMvn(x, 60, true, 0.5), 1e-12);
  ExpectNear(mean.Top(), NaiveMvn(x, 20, false, 0), 1e-12);
}

// The mean of 1, 3 is 2, their deviation 1; eps is added to that, not to its square.
TEST_P(MvnTest, GoldenValues) {
  LayerRunner runner(Mvn("eps: 1"), {Shape{1, 2, 2}}, On());
  runner.SetBottom(0, {1, 3, 7, 7});
  runner.Forward();
  ExpectNear(runner.Top(), {-0.5, 0.5, 0, 0}, 1e-15);
}

TEST_P(MvnTest, GradientsAgreeWithDifferences) {
  for (const char* options : {"", "across_channels: true", "normalize_variance: false", "eps: 0.5",
                              "across_channels: true normalize_variance: false"}) {
    LayerRunner runner(Mvn(options), {Shape{2, 3, 4, 2}}, On());
    CheckGradients(runner);
  }
}

// Where all values are equal there is nothing to divide by.
TEST_P(MvnTest, EqualValuesGiveZeros) {
  LayerRunner runner(Mvn(""), {Shape{1, 1, 3}}, On());
  runner.SetBottom(0, {4, 4, 4});
  runner.SetTopDiff(0, {1e-9, 2e-9, 3e-9});
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0, 0, 0}, 0);
  ExpectNear(runner.BottomDiff(), {-1, 0, 1}, 1e-6);
}

TEST_P(MvnTest, RunsInPlace) {
  LayerRunner apart(Mvn(""), {Shape{2, 3, 5}}, On()),
      in_place(Mvn(""), {Shape{2, 3, 5}}, On(1, true));
  for (LayerRunner* runner : {&apart, &in_place}) {
    runner->Forward();
    runner->SetTopDiff(0, RandomValues(30, 3));
    runner->Backward();
  }
  ExpectNear(in_place.BottomDiff(), apart.BottomDiff(), 0);
}

TEST_P(MvnTest, TakesAnEmptyBatch) {
  LayerRunner runner(Mvn(""), {Shape{0, 3, 2}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 3, 2}));
}

TEST_P(MvnTest, NeedsChannels) {
  ExpectError([&] { LayerRunner(Mvn(""), {Shape{3}}, On()); }, {"'test' (MVN)", "3 (3)"});
}

}  // namespace
}  // namespace crema::test
