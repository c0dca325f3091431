#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class ClipTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(ClipTest);

const char kClip[] = "type: 'Clip' clip_param { min: -1 max: 2 }";

TEST_P(ClipTest, StaysBetweenItsLimits) {
  UnaryCase test{kClip, [](double x) { return std::min(2.0, std::max(-1.0, x)); }};
  test.gradient.kink = -1;
  test.gradient.kink_range = 0.01;
  CheckUnary(device(), test);
}

// The limits themselves pass the gradient, as in Caffe.
TEST_P(ClipTest, GoldenValues) {
  ExpectUnary(device(), kClip, {-3, -1, 0, 2, 2.5}, {-1, -1, 0, 2, 2}, {0, 1, 1, 1, 0});
}

TEST_P(ClipTest, RefusesLimitsInTheWrongOrder) {
  ExpectError(
      [&] {
        LayerRunner("type: 'Clip' clip_param { min: 2 max: 1 }", {Shape{1}},
                    UnaryOptions(device(), DType::kFloat32, false));
      },
      {"'test' (Clip)", "min is 2", "max is 1"});
}

}  // namespace
}  // namespace crema::test
