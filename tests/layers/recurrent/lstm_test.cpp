#include <gtest/gtest.h>

#include "layers/recurrent/recurrent_test_util.h"

namespace crema::test {
namespace {

class LstmTest : public LayerTest {
 protected:
  RecurrentCase Case() const { return {"LSTM", 2, device()}; }
};
CREMA_ON_ALL_DEVICES(LstmTest);

// h of each step of one sequence, from zeros.
std::vector<double> NaiveLstm(LayerRunner& runner, int steps) {
  const std::vector<double> wx = runner.Param(0), b = runner.Param(1), wh = runner.Param(2);
  const std::vector<double> x = runner.Bottom(0);
  std::vector<double> h(3, 0), c(3, 0), all;
  for (int t = 0; t < steps; ++t) {
    double sum[12];
    for (int r = 0; r < 12; ++r) {
      sum[r] = b[r];
      for (int i = 0; i < 2; ++i) sum[r] += wx[r * 2 + i] * x[t * 2 + i];
      for (int d = 0; d < 3; ++d) sum[r] += wh[r * 3 + d] * h[d];
    }
    const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
    for (int d = 0; d < 3; ++d) {
      c[d] = sigmoid(sum[3 + d]) * c[d] + sigmoid(sum[d]) * std::tanh(sum[9 + d]);
      h[d] = sigmoid(sum[6 + d]) * std::tanh(c[d]);
    }
    all.insert(all.end(), h.begin(), h.end());
  }
  return all;
}

TEST_P(LstmTest, FollowsItsFormula) {
  LayerRunner runner = Case().MakeRunner(5, 1);
  runner.SetBottom(1, ContOf(5, 1, {}));
  runner.Forward();
  ExpectNear(runner.Top(0), NaiveLstm(runner, 5), 1e-14);
}

TEST_P(LstmTest, SequencesDoNotMix) { CheckSequencesDoNotMix(Case()); }
TEST_P(LstmTest, CarriesOn) { CheckCarriesOn(Case()); }
TEST_P(LstmTest, BeginsWithZeros) { CheckBeginsWithZeros(Case()); }
TEST_P(LstmTest, ShowsItsStates) { CheckExposedStates(Case()); }
TEST_P(LstmTest, TakesAStaticInput) { CheckStaticInput(Case()); }
TEST_P(LstmTest, GradientsAgreeWithDifferences) { CheckRecurrentGradients(Case()); }
TEST_P(LstmTest, Edges) { CheckRecurrentEdges(Case()); }

}  // namespace
}  // namespace crema::test
