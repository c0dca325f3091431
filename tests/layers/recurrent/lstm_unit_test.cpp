#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class LstmUnitTest : public LayerTest {
 protected:
  LayerRunner MakeRunner(int sequences, int units) const {
    RunnerOptions options;
    options.device = device();
    options.tops = 2;
    return LayerRunner(
        "type: 'LSTMUnit'",
        {Shape{1, sequences, units}, Shape{1, sequences, 4 * units}, Shape{1, sequences}}, options);
  }
};
CREMA_ON_ALL_DEVICES(LstmUnitTest);

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Inputs of 0 make all gates 1/2 and the candidate 0: c = c_prev / 2 where the sequence goes on.
TEST_P(LstmUnitTest, GoldenValues) {
  LayerRunner runner = MakeRunner(2, 1);
  runner.SetBottom(0, {4, 4});
  runner.SetBottom(1, std::vector<double>(8, 0));
  runner.SetBottom(2, {1, 0});
  runner.Forward();
  ExpectNear(runner.Top(0), {2, 0}, 1e-15);
  ExpectNear(runner.Top(1), {0.5 * std::tanh(2.0), 0}, 1e-15);
}

TEST_P(LstmUnitTest, FollowsItsFormula) {
  LayerRunner runner = MakeRunner(3, 5);
  runner.SetBottom(2, {1, 0, 1});
  runner.Forward();
  std::vector<double> c, h;
  const std::vector<double> before = runner.Bottom(0), x = runner.Bottom(1), cont = {1, 0, 1};
  for (int n = 0; n < 3; ++n) {
    for (int d = 0; d < 5; ++d) {
      const double* gate = &x[n * 20 + d];
      c.push_back(cont[n] * Sigmoid(gate[5]) * before[n * 5 + d] +
                  Sigmoid(gate[0]) * std::tanh(gate[15]));
      h.push_back(Sigmoid(gate[10]) * std::tanh(c.back()));
    }
  }
  ExpectNear(runner.Top(0), c, 1e-14);
  ExpectNear(runner.Top(1), h, 1e-14);
}

TEST_P(LstmUnitTest, GradientsAgreeWithDifferences) {
  LayerRunner runner = MakeRunner(3, 4);
  runner.SetBottom(2, {1, 0, 1});
  CheckGradients(runner);
}

TEST_P(LstmUnitTest, TakesAnEmptyBatch) {
  LayerRunner runner = MakeRunner(0, 4);
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(1), (Shape{1, 0, 4}));
}

TEST_P(LstmUnitTest, RefusesWhatDoesNotFit) {
  RunnerOptions options;
  options.device = device();
  options.tops = 2;
  ExpectError(
      [&] {
        LayerRunner("type: 'LSTMUnit'", {Shape{1, 2, 3}, Shape{1, 2, 9}, Shape{1, 2}}, options);
      },
      {"'test' (LSTMUnit)", "bottom 1", "1 2 9 (18)", "1 x 2 x 12"});
  ExpectError(
      [&] {
        LayerRunner("type: 'LSTMUnit'", {Shape{1, 2, 3}, Shape{1, 2, 12}, Shape{2}}, options);
      },
      {"bottom 2", "1 x 2"});
}

}  // namespace
}  // namespace crema::test
