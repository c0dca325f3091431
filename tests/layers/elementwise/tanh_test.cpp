#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class TanHTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(TanHTest);

TEST_P(TanHTest, FollowsItsFormula) {
  CheckUnary(device(), {"type: 'TanH'", [](double x) { return std::tanh(x); }});
}

// tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 0.6.
TEST_P(TanHTest, GoldenValues) {
  ExpectUnary(device(), "type: 'TanH'", {0, std::log(2.0), 800}, {0, 0.6, 1}, {1, 0.64, 0});
}

}  // namespace
}  // namespace crema::test
