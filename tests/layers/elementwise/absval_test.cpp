#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class AbsValTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(AbsValTest);

TEST_P(AbsValTest, IsTheAbsoluteValue) {
  GradientCheck check;
  check.kink = 0;
  check.kink_range = 0.01;
  CheckUnary(device(), {"type: 'AbsVal'", [](double x) { return std::abs(x); }, -3, 3, check});
}

TEST_P(AbsValTest, GoldenValues) {
  ExpectUnary(device(), "type: 'AbsVal'", {-2, 0, 3}, {2, 0, 3}, {-1, 0, 1});
}

}  // namespace
}  // namespace crema::test
