#include "train/interruptible_pass.h"

#include "net/net_test_util.h"

namespace crema::test {
namespace {

// Gives up after so many answers.
Interrupt After(int answers, int* asked) {
  return [answers, asked] { return ++*asked > answers; };
}

class InterruptiblePassTest : public testing::Test {
 protected:
  InterruptiblePassTest()
      : net_(MakeNet(Layer("data", "DummyData", {}, {"x", "t"},
                           "dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 dim: 2 } "
                           "data_filler { value: 1 } }") +
                     Product("fc", "x", "y", 2) +
                     Layer("loss", "EuclideanLoss", {"y", "t"}, {"loss"}))),
        layers_(static_cast<int>(net_->graph().layers.size())) {}
  double Loss() const { return net_->loss().ToHost<double>()[0]; }
  std::unique_ptr<Net> net_;
  int layers_;
};

TEST_F(InterruptiblePassTest, WithoutAnInterruptItIsAPass) {
  ForwardBackward(*net_);
  const double loss = Loss();
  const auto gradients = net_->flat_gradients().ToHost<double>();
  for (const bool asks : {false, true}) {
    net_->ClearGradients();
    int asked = 0;
    const Interrupt interrupt = asks ? After(1000, &asked) : Interrupt();
    RunForward(0, interrupt, net_.get());
    RunBackward(interrupt, net_.get());
    EXPECT_EQ(Loss(), loss);
    EXPECT_EQ(net_->flat_gradients().ToHost<double>(), gradients);
    EXPECT_EQ(asked, asks ? 2 * layers_ : 0);  // before each layer, both ways
  }
}

TEST_F(InterruptiblePassTest, GivesUpBeforeAnyLayer) {
  for (int before = 0; before < layers_; ++before) {
    int asked = 0;
    EXPECT_THROW(RunForward(0, After(before, &asked), net_.get()), PassInterrupted);
    EXPECT_EQ(asked, before + 1);
    net_->Forward(0);
    asked = 0;
    EXPECT_THROW(RunBackward(After(before, &asked), net_.get()), PassInterrupted);
    EXPECT_EQ(asked, before + 1);
  }
}

}  // namespace
}  // namespace crema::test
