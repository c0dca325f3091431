// The guard by itself; what it does in a training is in failure_test.cpp.
#include "train/non_finite_guard.h"

#include <limits>

#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class NonFiniteGuardTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (!IsSkipped()) ctx_ = std::make_unique<Context>(OpenTestDevice(device()));
  }
  Tensor Values(const std::vector<double>& values) const {
    const Tensor tensor(ctx_->shared_device(), DType::kFloat64,
                        Shape{static_cast<int64_t>(values.size())});
    tensor.FromHost(values);
    return tensor;
  }
  // Which counts how often it is asked for.
  NonFiniteGuard::Explain Explain(const std::string& words) {
    return [this, words] {
      ++asked_;
      return words;
    };
  }
  std::unique_ptr<Context> ctx_;
  int asked_ = 0;
};
CREMA_ON_ALL_DEVICES(NonFiniteGuardTest);

TEST_P(NonFiniteGuardTest, TellsTheFirstIteration) {
  NonFiniteGuard guard(*ctx_, true);
  guard.Note(Values({1, 2, 3}), 4);
  guard.Check(Explain("blob 'a'"));
  EXPECT_EQ(asked_, 0);
  guard.Note(Values({1, kInfinity}), 5);
  guard.Note(Values({kInfinity}), 6);
  EXPECT_EQ(ErrorOf([&] { guard.Check(Explain("blob 'a'")); }),
            "iteration 5: the loss or a gradient is infinite or not a number, first blob 'a'; "
            "training stopped and snapshots are unchanged: lower base_lr, set clip_gradients, or "
            "check the data (stop_at_non_finite: false continues anyway)");
  EXPECT_EQ(asked_, 1);
}

TEST_P(NonFiniteGuardTest, WarnsOnceIfItDoesNotStop) {
  NonFiniteGuard guard(*ctx_, false);
  LogCapture log;
  guard.Check(Explain(""));
  EXPECT_EQ(log.lines().size(), 0u);
  guard.Note(Values({-kInfinity}), 7);
  for (int i = 0; i < 3; ++i) guard.Check(Explain(""));
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_TRUE(Contains(log.warnings()[0], "Iteration 7: the loss or a gradient is not finite"));
  EXPECT_EQ(asked_, 0);
}

TEST_P(NonFiniteGuardTest, LooksAtTestLosses) {
  NonFiniteGuard guard(*ctx_, true);
  guard.CheckTestLoss(Values({1}), {20, 3, 4}, Explain("blob 'a'"));
  EXPECT_EQ(asked_, 0);
  const auto error = [&](const std::string& words) {
    return ErrorOf([&] { guard.CheckTestLoss(Values({kInfinity}), {20, 3, 4}, Explain(words)); });
  };
  EXPECT_TRUE(Contains(error("blob 'a'"),
                       "iteration 20: in batch 4 of test net #3 the loss is "
                       "infinite or not a number, first blob 'a'; "));
  EXPECT_TRUE(Contains(error(""), "first the loss; "));
  guard.Check(Explain(""));  // which is of training
}

TEST_P(NonFiniteGuardTest, WarnsOfTestLossesOnce) {
  NonFiniteGuard guard(*ctx_, false);
  LogCapture log;
  for (int i = 0; i < 3; ++i) guard.CheckTestLoss(Values({kInfinity}), {i, 0, 0}, Explain(""));
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_TRUE(Contains(log.warnings()[0], "iteration 0: in batch 0 of test net #0"));
  EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace crema::test
