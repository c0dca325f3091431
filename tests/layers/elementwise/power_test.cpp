#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class PowerTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(PowerTest);

UnaryCase Case(double power, double scale, double shift, double low, double high) {
  return {Concat("type: 'Power' power_param { power: ", power, " scale: ", scale, " shift: ", shift,
                 " }"),
          [=](double x) { return std::pow(shift + scale * x, power); }, low, high};
}

TEST_P(PowerTest, FollowsItsFormula) {
  CheckUnary(device(), Case(1, 1, 0, -3, 3));
  CheckUnary(device(), Case(1, -2, 0.5, -3, 3));
  CheckUnary(device(), Case(2, 1, 0, -3, 3));
  CheckUnary(device(), Case(2, 0.5, -1, -3, 3));
  CheckUnary(device(), Case(3, 0.5, 0, -3, 3));
  CheckUnary(device(), Case(0.37, 0.83, 2.4, -2, 2));
  CheckUnary(device(), Case(-0.5, 1, 0, 0.5, 3));
  CheckUnary(device(), Case(0, 2, 1, -3, 3));
  CheckUnary(device(), Case(2, 0, 3, -3, 3));
}

// A constant has no slope, even where the formula is 0 * infinity; 0^3 has the slope 0.
TEST_P(PowerTest, GoldenValuesAtZero) {
  ExpectUnary(device(), "type: 'Power' power_param { power: 0 }", {0, 2}, {1, 1}, {0, 0});
  ExpectUnary(device(), "type: 'Power' power_param { power: 0.5 scale: 0 }", {1, -1}, {0, 0},
              {0, 0});
  ExpectUnary(device(), "type: 'Power' power_param { power: 3 }", {0, 2}, {0, 8}, {0, 12});
}

}  // namespace
}  // namespace crema::test
