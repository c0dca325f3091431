#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class BnllTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(BnllTest);

TEST_P(BnllTest, FollowsItsFormula) {
  CheckUnary(device(), {"type: 'BNLL'", [](double x) { return std::log(1 + std::exp(x)); }});
}

// log(1 + e^x) is log 2 at 0, x far above it, and e^x, which is nothing, far below.
TEST_P(BnllTest, StaysFinite) {
  ExpectUnary(device(), "type: 'BNLL'", {0, 800, -800}, {std::log(2.0), 800, 0}, {0.5, 1, 0});
}

}  // namespace
}  // namespace crema::test
