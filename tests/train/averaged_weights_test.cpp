#include "train/averaged_weights.h"

#include "tensor/param_block.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class AveragedWeightsTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (IsSkipped()) return;
    ctx_ = std::make_unique<Context>(OpenTestDevice(device()));
    params_.weights = Tensor(ctx_->shared_device(), DType::kFloat64, Shape{2 * kParamBlock});
    params_.segments = {{0, 3, 1, 1}, {kParamBlock, 2, 0, 1}};
    params_.shapes = {Shape{3}, Shape{2}};
    SetWeights(0);
  }
  void SetWeights(double value) {
    params_.weights.FromHost(std::vector<double>(2 * kParamBlock, value));
  }
  double Weight() const { return params_.weights.ToHost<double>()[kParamBlock]; }
  static double First(const AveragedWeights& weights) {
    return weights.average().ToHost<double>()[0];
  }
  AveragedWeights Make(double decay) const { return AveragedWeights(decay, params_, *ctx_); }
  std::unique_ptr<Context> ctx_;
  FlatParams params_;
};
CREMA_ON_ALL_DEVICES(AveragedWeightsTest);

// average += (1 - keep) (w - average), where young averages keep less.
TEST_P(AveragedWeightsTest, GoldenUpdates) {
  AveragedWeights weights = Make(0.125);
  SetWeights(8);
  weights.Update(1);
  EXPECT_EQ(First(weights), 7);
  AveragedWeights young = Make(0.99);  // begins as 8
  SetWeights(0);
  young.Update(6);  // keep = 7 / 16
  EXPECT_EQ(First(young), 3.5);
}

TEST_P(AveragedWeightsTest, TakesTurnsWithTheWeights) {
  AveragedWeights weights = Make(0.125);
  SetWeights(8);
  weights.Update(1);
  {
    const AveragedWeights::InUse outer(&weights);
    EXPECT_TRUE(weights.in_use());
    EXPECT_EQ(Weight(), 7);
    EXPECT_EQ(First(weights), 8);
    {
      const AveragedWeights::InUse inner(&weights);
      EXPECT_EQ(Weight(), 7);
    }
    EXPECT_EQ(Weight(), 7);
    weights.UseAverage(false);
    EXPECT_EQ(Weight(), 8);
    weights.UseAverage(true);
  }
  EXPECT_FALSE(weights.in_use());
  EXPECT_EQ(Weight(), 8);
}

TEST_P(AveragedWeightsTest, WithoutDecayThereIsNone) {
  AveragedWeights weights = Make(0);
  SetWeights(8);
  weights.Update(1);
  weights.UseAverage(true);
  EXPECT_FALSE(weights.in_use());
  EXPECT_TRUE(weights.average().empty());
  EXPECT_EQ(Weight(), 8);
  proto::SolverProgress progress;
  weights.Save(&progress);
  EXPECT_EQ(progress.trained_weights_size(), 0);
}

// Whichever of the two the net shows, the state has the trained weights. When it is restored, the
// net has the average, from the weights file.
TEST_P(AveragedWeightsTest, GoesOnFromItsState) {
  AveragedWeights weights = Make(0.125);
  SetWeights(8);
  weights.Update(1);
  proto::SolverProgress shown, hidden;
  weights.Save(&hidden);
  weights.UseAverage(true);
  weights.Save(&shown);
  EXPECT_EQ(shown.SerializeAsString(), hidden.SerializeAsString());
  ASSERT_EQ(shown.trained_weights_size(), 2);
  EXPECT_EQ(shown.trained_weights(1).double_data_size(), 2);
  SetWeights(7);
  AveragedWeights resumed = Make(0.5);
  SetWeights(6);
  resumed.Restore(shown, "x.solverstate");
  EXPECT_EQ(First(resumed), 6);
  EXPECT_EQ(Weight(), 8);
  SetWeights(6);
  AveragedWeights none = Make(0);  // the solver has no average any more
  none.Restore(shown, "x.solverstate");
  EXPECT_EQ(Weight(), 8);
  shown.mutable_trained_weights()->SwapElements(0, 1);
  EXPECT_EQ(ErrorOf([&] { resumed.Restore(shown, "x.solverstate"); }),
            "x.solverstate: trained weights 0 have 2 values, but the parameter has 3; resume with "
            "the same net");
}

}  // namespace
}  // namespace crema::test
