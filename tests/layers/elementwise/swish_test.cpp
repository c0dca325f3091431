#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class SwishTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(SwishTest);

TEST_P(SwishTest, FollowsItsFormula) {
  for (double beta : {1.0, 1.5, 0.0, -0.5}) {
    CheckUnary(device(), {Concat("type: 'Swish' swish_param { beta: ", beta, " }"),
                          [=](double x) { return x / (1 + std::exp(-beta * x)); }});
  }
}

// beta 0 halves; 800 is passed whole.
TEST_P(SwishTest, GoldenValues) {
  ExpectUnary(device(), "type: 'Swish' swish_param { beta: 0 }", {4, -6}, {2, -3}, {0.5, 0.5});
  ExpectUnary(device(), "type: 'Swish'", {0, 800, -800}, {0, 800, 0}, {0.5, 1, 0});
}

}  // namespace
}  // namespace crema::test
