#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class ExpTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(ExpTest);

TEST_P(ExpTest, FollowsItsFormula) {
  CheckUnary(device(), {"type: 'Exp'", [](double x) { return std::exp(x); }});
  CheckUnary(device(), {"type: 'Exp' exp_param { scale: 0.5 shift: -1 }",
                        [](double x) { return std::exp(0.5 * x - 1); }});
  CheckUnary(device(), {"type: 'Exp' exp_param { base: 2 scale: 3 shift: 0.25 }",
                        [](double x) { return std::pow(2, 3 * x + 0.25); }, -1, 1});
}

// 2^(1 + 2 x), with the slope 2 ln 2 y.
TEST_P(ExpTest, GoldenValues) {
  const double factor = 2 * std::log(2.0);
  ExpectUnary(device(), "type: 'Exp' exp_param { base: 2 scale: 2 shift: 1 }", {0, 1, -1},
              {2, 8, 0.5}, {2 * factor, 8 * factor, 0.5 * factor});
}

TEST_P(ExpTest, RefusesBasesThatAreNone) {
  for (const char* base : {"0", "-2"}) {
    ExpectError(
        [&] {
          LayerRunner(Concat("type: 'Exp' exp_param { base: ", base, " }"), {Shape{1}},
                      UnaryOptions(device(), DType::kFloat32, false));
        },
        {"'test' (Exp)", Concat("base is ", base)});
  }
}

}  // namespace
}  // namespace crema::test
