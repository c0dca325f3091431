#include "math/vector_ops.h"

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class VectorOpsTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (IsSkipped()) return;
    device_ = OpenTestDevice(device());
    context_ = std::make_unique<Context>(device_);
  }
  Tensor Make(const std::vector<double>& values) {
    const Tensor tensor(device_, DType::kFloat64, Shape{static_cast<int64_t>(values.size())});
    tensor.FromHost(values);
    return tensor;
  }
  const VectorOps& ops() { return VectorOpsFor(device()); }

  std::shared_ptr<Device> device_;
  std::unique_ptr<Context> context_;
};
CREMA_ON_ALL_DEVICES(VectorOpsTest);

TEST_P(VectorOpsTest, AddsAScaledSum) {
  const Tensor total = Make({10});
  ops().AddScaledSum(*context_, Make({1, 2, 3}), 0.5, total);
  EXPECT_EQ(total.ToHost<double>(), (std::vector<double>{13}));
}

// The norm of (4 8 -16 8) is 20.
TEST_P(VectorOpsTest, ClipsByTheNorm) {
  const Tensor x = Make({4, 8, -16, 8}), factor = Make({-1});
  ops().ClipFactor(*context_, x, 5, 0.5, factor);
  ExpectNear(factor.ToHost<double>(), {0.125}, 1e-15);
  ops().ClipFactor(*context_, x, 20, 0.5, factor);
  EXPECT_EQ(factor.ToHost<double>(), (std::vector<double>{0.5}));
  ops().ClipFactor(*context_, Make({0, 0}), 0, 0.5, factor);
  EXPECT_EQ(factor.ToHost<double>(), (std::vector<double>{0.5}));
}

TEST_P(VectorOpsTest, MovesToward) {
  const Tensor x = Make({4, 8, -16}), average = Make({0, 8, 16});
  ops().MoveToward(*context_, x, 0.25, average);
  EXPECT_EQ(average.ToHost<double>(), (std::vector<double>{1, 8, 8}));
}

TEST_P(VectorOpsTest, Swaps) {
  const Tensor x = Make({4, 8}), y = Make({1, 2});
  ops().Swap(*context_, x, y);
  EXPECT_EQ(x.ToHost<double>(), (std::vector<double>{1, 2}));
  EXPECT_EQ(y.ToHost<double>(), (std::vector<double>{4, 8}));
}

}  // namespace
}  // namespace crema::test
