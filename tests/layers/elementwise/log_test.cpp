#include <cmath>

#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class LogTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(LogTest);

TEST_P(LogTest, FollowsItsFormula) {
  CheckUnary(device(), {"type: 'Log'", [](double x) { return std::log(x); }, 1, 4});
  CheckUnary(device(), {"type: 'Log' log_param { scale: 0.5 shift: 2 }",
                        [](double x) { return std::log(0.5 * x + 2); }});
  CheckUnary(device(),
             {"type: 'Log' log_param { base: 10 }", [](double x) { return std::log10(x); }, 1, 4});
}

// log2(1 + x), with the slope 1 / (ln 2 (1 + x)).
TEST_P(LogTest, GoldenValues) {
  const double factor = 1 / std::log(2.0);
  ExpectUnary(device(), "type: 'Log' log_param { base: 2 shift: 1 }", {0, 1, 7}, {0, 1, 3},
              {factor, factor / 2, factor / 8});
}

TEST_P(LogTest, RefusesBasesThatAreNone) {
  for (const char* base : {"0", "1", "-2"}) {
    ExpectError(
        [&] {
          LayerRunner(Concat("type: 'Log' log_param { base: ", base, " }"), {Shape{1}},
                      UnaryOptions(device(), DType::kFloat32, false));
        },
        {"'test' (Log)", Concat("base is ", base)});
  }
}

}  // namespace
}  // namespace crema::test
