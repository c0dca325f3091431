#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class EluTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(EluTest);

TEST_P(EluTest, FollowsItsFormula) {
  for (double alpha : {1.0, 0.25, -0.5}) {
    UnaryCase test{Concat("type: 'ELU' elu_param { alpha: ", alpha, " }"),
                   [=](double x) { return x > 0 ? x : alpha * (std::exp(x) - 1); }};
    test.gradient.kink_range = 0.01;
    CheckUnary(device(), test);
  }
}

// e^-1 - 1 = -0.632; the slope there is y + alpha, and at 0 alpha.
TEST_P(EluTest, GoldenValues) {
  ExpectUnary(device(), "type: 'ELU' elu_param { alpha: 2 }", {-1, 0, 3},
              {2 * std::expm1(-1), 0, 3}, {2 * std::exp(-1), 2, 1});
}

}  // namespace
}  // namespace crema::test
