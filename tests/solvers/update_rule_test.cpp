#include "solvers/update_rule.h"

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class UpdateRuleTest : public LayerTest {
 protected:
  // Weights, gradients and one history of three numbers.
  void Make(DType dtype = DType::kFloat64) {
    const std::shared_ptr<Device> on = OpenTestDevice(device());
    context_ = std::make_unique<Context>(on);
    const Tensor values(on, dtype, Shape{3}), gradient(on, dtype, Shape{3});
    values.FromHost(std::vector<double>{1, -2, 0});
    gradient.FromHost(std::vector<double>{4, 8, -16});
    param_ = std::make_unique<Blob>("w", values, gradient);
    history_ = {Tensor(on, dtype, Shape{3})};
    history_[0].FromHost(std::vector<double>{0, 0, 0});
    squares_ = Tensor(on, dtype, Shape{});
  }
  void Update(const UpdateStep& step) {
    CreateUpdateRule("SGD", device())->Update(*context_, *param_, history_, step);
  }
  std::vector<double> Weights() const { return param_->data_tensor().ToHost<double>(); }
  std::vector<double> History() const { return history_[0].ToHost<double>(); }

  std::unique_ptr<Context> context_;
  std::unique_ptr<Blob> param_;
  std::vector<Tensor> history_;
  Tensor squares_;
};
CREMA_ON_ALL_DEVICES(UpdateRuleTest);

TEST_P(UpdateRuleTest, GoldenRate) {
  for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
    Make(dtype);
    UpdateStep step;
    step.rate = 0.5;
    Update(step);
    EXPECT_EQ(Weights(), (std::vector<double>{-1, -6, 8}));
    EXPECT_EQ(History(), (std::vector<double>{2, 4, -8}));
  }
}

// h = 0.25 h + 0.5 g twice, the gradient staying: h = (2 4 -8), then (2.5 5 -10).
TEST_P(UpdateRuleTest, GoldenMomentum) {
  Make();
  UpdateStep step;
  step.rate = 0.5;
  step.momentum = 0.25;
  Update(step);
  Update(step);
  EXPECT_EQ(History(), (std::vector<double>{2.5, 5, -10}));
  EXPECT_EQ(Weights(), (std::vector<double>{1 - 4.5, -2 - 9, 18}));
}

// g + 2 w = (6 4 -16); g + 2 sign(w) = (6 6 -16).
TEST_P(UpdateRuleTest, GoldenDecay) {
  UpdateStep step;
  step.rate = 0.5;
  step.decay = 2;
  Make();
  Update(step);
  EXPECT_EQ(Weights(), (std::vector<double>{-2, -4, 8}));
  step.l1 = true;
  Make();
  Update(step);
  EXPECT_EQ(Weights(), (std::vector<double>{-2, -5, 8}));
}

// iter_size 4 divides the gradient, not the decay: (1 2 -4) + 2 w = (3 -2 -4).
TEST_P(UpdateRuleTest, GoldenIterSize) {
  Make();
  UpdateStep step;
  step.rate = 0.5;
  step.decay = 2;
  step.gradient_scale = 0.25;
  Update(step);
  EXPECT_EQ(Weights(), (std::vector<double>{-0.5, -1, 2}));
}

// A norm of 20 is brought to 5, which makes the gradient (1 2 -4); one of 4 stays.
TEST_P(UpdateRuleTest, GoldenClipping) {
  UpdateStep step;
  step.rate = 0.5;
  step.clip = 5;
  Make();
  squares_.FromHost(std::vector<double>{400});
  step.sum_of_squares = squares_;
  Update(step);
  ExpectNear(Weights(), {0.5, -3, 2}, 1e-15);
  Make();
  squares_.FromHost(std::vector<double>{16});
  step.sum_of_squares = squares_;
  Update(step);
  EXPECT_EQ(Weights(), (std::vector<double>{-1, -6, 8}));
}

TEST_P(UpdateRuleTest, UnknownRulesAreAnError) {
  ExpectError([&] { CreateUpdateRule("SDG", device()); }, {"SDG"});
}

}  // namespace
}  // namespace crema::test
