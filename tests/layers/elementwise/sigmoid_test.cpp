#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class SigmoidTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(SigmoidTest);

TEST_P(SigmoidTest, FollowsItsFormula) {
  CheckUnary(device(), {"type: 'Sigmoid'", [](double x) { return 1 / (1 + std::exp(-x)); }});
}

TEST_P(SigmoidTest, GoldenValues) {
  ExpectUnary(device(), "type: 'Sigmoid'", {0, std::log(3.0), 800, -800}, {0.5, 0.75, 1, 0},
              {0.25, 0.1875, 0, 0});
}

}  // namespace
}  // namespace crema::test
