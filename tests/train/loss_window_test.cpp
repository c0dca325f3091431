#include "train/loss_window.h"

#include <cmath>
#include <limits>

#include "crema.pb.h"
#include "util/layer_runner.h"
#include "util/limited_device.h"

namespace crema::test {
namespace {

// One loss, on the device.
Tensor Loss(const Context& ctx, double value) {
  const Tensor loss(ctx.shared_device(), DType::kFloat64, Shape{});
  loss.FromHost(std::vector<double>{value});
  return loss;
}

void Put(const Context& ctx, const std::vector<double>& losses, LossWindow* window) {
  for (double loss : losses) {
    window->Begin();
    window->Add(Loss(ctx, loss), 1);
    window->Accept();
  }
}

class LossWindowTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (!IsSkipped()) ctx_ = std::make_unique<Context>(OpenTestDevice(device()));
  }
  LossWindow Window(int size) const { return LossWindow(*ctx_, DType::kFloat64, size); }
  std::unique_ptr<Context> ctx_;
};
CREMA_ON_ALL_DEVICES(LossWindowTest);

TEST_P(LossWindowTest, MeanOfTheLastOnes) {
  LossWindow window = Window(3);
  EXPECT_TRUE(std::isnan(window.Mean()));
  Put(*ctx_, {1, 2}, &window);
  EXPECT_EQ(window.Mean(), 1.5);
  Put(*ctx_, {3, 4, 8}, &window);
  EXPECT_EQ(window.Mean(), 5);
}

TEST_P(LossWindowTest, AddsUpPartsOfALoss) {
  LossWindow window = Window(1);
  Put(*ctx_, {7}, &window);
  window.Begin();
  window.Add(Loss(*ctx_, 3), 0.5);
  window.Add(Loss(*ctx_, 5), 0.5);
  EXPECT_EQ(window.pending().ToHost<double>(), std::vector<double>{4});
  EXPECT_EQ(window.Mean(), 7);
}

// An iteration that is given up leaves the window as it was, full or not.
TEST_P(LossWindowTest, APendingLossTakesTheSlotOfNone) {
  for (const int size : {2, 3}) {
    LossWindow window = Window(size);
    Put(*ctx_, {5, 1, 2}, &window);
    const double before = window.Mean();
    window.Begin();
    window.Add(Loss(*ctx_, 9), 1);
    EXPECT_EQ(window.Mean(), before);
    EXPECT_EQ(window.MeanWithPending(), size == 2 ? 5.5 : 4);
    EXPECT_EQ(window.Mean(), before);
    Put(*ctx_, {3}, &window);
    EXPECT_EQ(window.Mean(), size == 2 ? 2.5 : 2);
  }
}

TEST_P(LossWindowTest, GoesOnFromItsState) {
  LossWindow first = Window(3);
  Put(*ctx_, {1, 2, 3, 4, 5}, &first);
  proto::SolverProgress progress;
  first.Save(&progress);
  ASSERT_EQ(progress.recent_losses_size(), 3);
  EXPECT_EQ(progress.recent_losses(0), 3);
  EXPECT_EQ(progress.recent_losses(2), 5);
  // A window of another size takes what there is.
  const std::pair<int, std::pair<double, double>> cases[] = {
      {3, {4, 6}}, {2, {4.5, 7}}, {1, {5, 9}}, {10, {4, 5.25}}};
  for (const auto& [size, means] : cases) {
    LossWindow second = Window(size);
    second.Restore(progress);
    EXPECT_EQ(second.Mean(), means.first) << size;
    Put(*ctx_, {9}, &second);
    EXPECT_EQ(second.Mean(), means.second) << size;
  }
}

// average_loss may be very large, to have the mean of all.
TEST(LossWindowMemoryTest, GrowsWithTheLosses) {
  const auto device = std::make_shared<LimitedDevice>();
  const Context ctx(device);
  device->set_limit(device->used() + (1 << 20));
  LossWindow window(ctx, DType::kFloat64, std::numeric_limits<int>::max());
  constexpr int kLosses = 3000;
  double sum = 0;
  for (int i = 0; i < kLosses; ++i) {
    Put(ctx, {static_cast<double>(i)}, &window);
    sum += i;
  }
  EXPECT_EQ(window.Mean(), sum / kLosses);
}

}  // namespace
}  // namespace crema::test
