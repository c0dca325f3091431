#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ParameterTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ParameterTest);

const char kParameter[] = "type: 'Parameter' parameter_param { shape { dim: 2 dim: 3 } }";

TEST_P(ParameterTest, IsItsTop) {
  LayerRunner runner(kParameter, {}, On());
  runner.SetParam(0, {1, 2, 3, 4, 5, 6});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 3}));
  ExpectNear(runner.Top(), {1, 2, 3, 4, 5, 6}, 0);
}

TEST_P(ParameterTest, GradientsAgreeWithDifferences) {
  LayerRunner runner(kParameter, {}, On());
  CheckGradients(runner);
}

// Caffe's overwrites, which loses all but the last of iter_size passes.
TEST_P(ParameterTest, GradientsAddUp) {
  MakeNetOptions options;
  options.device = device();
  const auto net = MakeNet(
      Layer("w", "Parameter", {}, {"w"}, "loss_weight: 2 parameter_param { shape { dim: 2 } }"),
      options);
  ForwardBackward(*net);
  net->Backward();
  EXPECT_EQ(ReadParamDiff(*net, "w", 0), (std::vector<double>{4, 4}));
}

// As in Caffe.
TEST_P(ParameterTest, IsAScalarWithoutAShape) {
  LayerRunner runner("type: 'Parameter'", {}, On());
  EXPECT_EQ(runner.top_shape(0), Shape{});
  runner.SetParam(0, {3});
  runner.Forward();
  EXPECT_EQ(runner.Top(0), std::vector<double>{3});
}

}  // namespace
}  // namespace crema::test
