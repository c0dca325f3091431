#include <gtest/gtest.h>

#include "layers/recurrent/recurrent_test_util.h"

namespace crema::test {
namespace {

class RnnTest : public LayerTest {
 protected:
  RecurrentCase Case() const { return {"RNN", 1, device()}; }
};
CREMA_ON_ALL_DEVICES(RnnTest);

// o of each step of one sequence, from zeros.
std::vector<double> NaiveRnn(LayerRunner& runner, int steps) {
  const std::vector<double> wx = runner.Param(0), b = runner.Param(1), wh = runner.Param(2);
  const std::vector<double> wo = runner.Param(3), bo = runner.Param(4), x = runner.Bottom(0);
  std::vector<double> h(3, 0), all;
  for (int t = 0; t < steps; ++t) {
    std::vector<double> next(3);
    for (int r = 0; r < 3; ++r) {
      double sum = b[r];
      for (int i = 0; i < 2; ++i) sum += wx[r * 2 + i] * x[t * 2 + i];
      for (int d = 0; d < 3; ++d) sum += wh[r * 3 + d] * h[d];
      next[r] = std::tanh(sum);
    }
    h = next;
    for (int r = 0; r < 3; ++r) {
      double sum = bo[r];
      for (int d = 0; d < 3; ++d) sum += wo[r * 3 + d] * h[d];
      all.push_back(std::tanh(sum));
    }
  }
  return all;
}

TEST_P(RnnTest, FollowsItsFormula) {
  LayerRunner runner = Case().MakeRunner(5, 1);
  runner.SetBottom(1, ContOf(5, 1, {}));
  runner.Forward();
  ExpectNear(runner.Top(0), NaiveRnn(runner, 5), 1e-14);
}

TEST_P(RnnTest, SequencesDoNotMix) { CheckSequencesDoNotMix(Case()); }
TEST_P(RnnTest, CarriesOn) { CheckCarriesOn(Case()); }
TEST_P(RnnTest, BeginsWithZeros) { CheckBeginsWithZeros(Case()); }
TEST_P(RnnTest, ShowsItsStates) { CheckExposedStates(Case()); }
TEST_P(RnnTest, TakesAStaticInput) { CheckStaticInput(Case()); }
TEST_P(RnnTest, GradientsAgreeWithDifferences) { CheckRecurrentGradients(Case()); }
TEST_P(RnnTest, Edges) { CheckRecurrentEdges(Case()); }

}  // namespace
}  // namespace crema::test
