// The bases of loss layers.
#include "layers/shared/loss/loss_layer.h"

#include <string>
#include <vector>

#include "layers/shared/loss/softmax_loss.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

proto::LayerParameter Config(int tops = 1) {
  proto::LayerParameter config;
  config.set_name("loss");
  config.set_type("Test");
  for (int t = 0; t < tops; ++t) config.add_top(t == 0 ? "loss" : "more");
  return config;
}

// Notes what the base asks of it.
template <class Derived, class Base>
class Noting : public Base {
 public:
  using Base::Base;
  template <class T>
  void RunForward(Context&, const BlobList&, const BlobList&) {
    calls.push_back(sizeof(T) == 4 ? "forward float" : "forward double");
  }
  template <class T>
  void RunBackward(Context&, const BlobList&, const BlobList&, int b) {
    calls.push_back((sizeof(T) == 4 ? "float " : "double ") + std::to_string(b));
  }
  std::vector<std::string> calls;
};

class OneLoss : public Noting<OneLoss, LossLayer<OneLoss, Layer>> {
 public:
  using Noting::Noting;
  LayerPlan Plan(const PlanInput& input) override {
    return PlanLoss(input.shape(0)[0], input.shape(0).count());
  }
  using LossLayer::items;
  using LossLayer::OneOverItems;
};

class TwoLoss : public Noting<TwoLoss, PairLossLayer<TwoLoss>> {
 public:
  using Noting::Noting;
  LayerPlan Plan(const PlanInput& input) override { return PlanPairs(input); }
  using PairLossLayer::GradientScale;
};

PlanInput InputOf(const std::vector<Shape>& shapes) {
  return PlanInput::Of(shapes, DType::kFloat32);
}

TEST(LossLayerTest, SaysWhichBottomsLearn) {
  EXPECT_EQ(OneLoss(Config(), Phase::kTrain).traits().no_gradient_bottoms, std::vector<int>{1});
  EXPECT_TRUE(TwoLoss(Config(), Phase::kTrain).traits().no_gradient_bottoms.empty());
  EXPECT_TRUE(TwoLoss(Config(), Phase::kTrain).traits().is_loss);
}

TEST(LossLayerTest, PlansOneNumber) {
  OneLoss loss(Config(), Phase::kTrain);
  const LayerPlan plan = loss.Plan(InputOf({Shape{4, 3}, Shape{4}}));
  ASSERT_EQ(plan.tops.size(), 1u);
  EXPECT_EQ(plan.tops[0].shape, Shape());
  EXPECT_EQ(loss.items(), 4);
  EXPECT_EQ(loss.OneOverItems(), 0.25);
  loss.Plan(InputOf({Shape{0, 3}, Shape{0}}));
  EXPECT_EQ(loss.OneOverItems(), 0);
  ExpectError(
      [&] {
        loss.Plan(InputOf({Shape{65536, 32768}, Shape{65536}}));
      },
      {"'loss' (Test)", "2147483648"});
}

TEST(LossLayerTest, ComparesPairs) {
  TwoLoss loss(Config(), Phase::kTrain);
  loss.Plan(InputOf({Shape{4, 6}, Shape{4, 2, 3}}));
  EXPECT_EQ(loss.GradientScale(0), 0.25);
  EXPECT_EQ(loss.GradientScale(1), -0.25);
  for (const Shape& other : {Shape{3, 6}, Shape{4, 5}, Shape()}) {
    ExpectError(
        [&] {
          loss.Plan(InputOf({Shape{4, 6}, other}));
        },
        {"'loss' (Test)", "4 6 (24)", "same number of items"});
  }
}

TEST(LossLayerTest, RunsForTheTypeAndTheBottomsAsked) {
  const std::shared_ptr<Device> device = OpenTestDevice(DeviceKind::kCpu);
  Context ctx(device);
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const std::string name = dtype == DType::kFloat32 ? "float" : "double";
    Blob a("a", Tensor(device, dtype, {2})), b("b", Tensor(device, dtype, {2}));
    TwoLoss loss(Config(), Phase::kTrain);
    loss.Forward(ctx, {&a, &b}, {});
    loss.Backward(ctx, {}, {true, true}, {&a, &b});
    loss.Backward(ctx, {}, {false, true}, {&a, &b});
    EXPECT_EQ(loss.calls,
              (std::vector<std::string>{"forward " + name, name + " 0", name + " 1", name + " 1"}));
    OneLoss one(Config(), Phase::kTrain);
    one.Backward(ctx, {}, {true, true}, {&a, &b});
    one.Backward(ctx, {}, {false, true}, {&a, &b});
    EXPECT_EQ(one.calls, std::vector<std::string>{name + " 0"});
  }
}

// The rule for labels is that of the options.
TEST(LossLayerTest, ReadsTheIgnoredLabel) {
  proto::LossParameter options;
  EXPECT_EQ(LabelRuleOf(options).has_ignored, 0);
  options.set_ignore_label(255);
  EXPECT_EQ(LabelRuleOf(options).has_ignored, 1);
  EXPECT_EQ(LabelRuleOf(options).ignored, 255);
}

// All positions of a softmax cost 1, but for the third, which counts without costing anything.
class FlatLoss : public SoftmaxLossLayer<FlatLoss> {
 public:
  using SoftmaxLossLayer::SoftmaxLossLayer;
  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    PlanScores(input, 1, &plan);
    return plan;
  }
  template <class T>
  void RunLosses(Context&, const BlobList&, const SavedForBackward::Pieces& memory,
                 const PositionLosses<T>& losses) {
    for (int i = 0; i < Positions(); ++i) {
      sums.push_back(Sums<T>(memory).sum[i]);
      losses.loss[i] = i == 2 ? 0 : 1;
      losses.counted[i] = 1;
      losses.bad[i] = 0;
    }
  }
  template <class T>
  void RunBackward(Context&, const BlobList&, const BlobList&, int) {}
  std::vector<double> sums;
};

TEST(LossLayerTest, AveragesTheLossesOfPositions) {
  const std::shared_ptr<Device> device = OpenTestDevice(DeviceKind::kCpu);
  Context ctx(device);
  FlatLoss loss(Config(2), Phase::kTrain);
  const LayerPlan plan = loss.Plan(PlanInput::Of({Shape{2, 2, 2}, Shape{2, 2}}, DType::kFloat64));
  ASSERT_EQ(plan.tops.size(), 2u);
  EXPECT_EQ(plan.tops[1].shape, (Shape{2, 2, 2}));
  std::vector<Tensor> states;
  for (const TensorSpec& spec : plan.state) {
    states.emplace_back(device, spec.dtype.value_or(DType::kFloat64), spec.shape);
  }
  loss.Bind({}, states, {});
  Blob scores("scores", Tensor(device, DType::kFloat64, {2, 2, 2}));
  scores.data_tensor().FromHost(std::vector<double>(8, 5));
  Blob labels("labels", Tensor(device, DType::kFloat64, {2, 2}));
  labels.data_tensor().FromHost(std::vector<double>(4, 1));
  Blob total("loss", Tensor(device, DType::kFloat64, Shape()));
  Blob probabilities("more", Tensor(device, DType::kFloat64, {2, 2, 2}));
  loss.Forward(ctx, {&scores, &labels}, {&total, &probabilities});
  EXPECT_EQ(loss.sums, std::vector<double>(4, 2));
  EXPECT_EQ(total.data_tensor().ToHost<double>(), std::vector<double>{0.75});
  EXPECT_EQ(probabilities.data_tensor().ToHost<double>(), std::vector<double>(8, 0.5));
  EXPECT_EQ(loss.CheckAfterForward(ctx), "");
}

}  // namespace
}  // namespace crema::test
