#include "layers/elementwise/unary_test_util.h"

namespace crema::test {
namespace {

class ThresholdTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(ThresholdTest);

const char kThreshold[] = "type: 'Threshold' threshold_param { threshold: 0.5 }";

TEST_P(ThresholdTest, SaysWhatIsAbove) {
  for (bool in_place : {false, true}) {
    LayerRunner runner(kThreshold, {Shape{2, 2}},
                       UnaryOptions(device(), DType::kFloat32, in_place));
    runner.SetBottom(0, {-1, 0.5, 0.75, 9});
    runner.Forward();
    ExpectNear(runner.Top(), {0, 0, 1, 1}, 0);
  }
}

TEST_P(ThresholdTest, IsZeroByDefault) {
  LayerRunner runner("type: 'Threshold'", {Shape{3}},
                     UnaryOptions(device(), DType::kFloat64, false));
  runner.SetBottom(0, {-0.1, 0, 0.1});
  runner.Forward();
  ExpectNear(runner.Top(), {0, 0, 1}, 0);
}

TEST_P(ThresholdTest, TakesAnEmptyBatch) {
  LayerRunner runner(kThreshold, {Shape{0, 2}}, UnaryOptions(device(), DType::kFloat32, false));
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 2}));
}

TEST_P(ThresholdTest, HasNoGradient) {
  LayerRunner runner(kThreshold, {Shape{2}}, UnaryOptions(device(), DType::kFloat32, false));
  EXPECT_FALSE(runner.layer().traits().has_backward);
}

}  // namespace
}  // namespace crema::test
