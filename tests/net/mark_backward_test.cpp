// Which layers run backward, and which blobs get gradients.
#include <gtest/gtest.h>

#include "net/net_test_util.h"

namespace crema::test {
namespace {

const std::string kInputs = Input("x", {4, 3}) + Input("label", {4});
const std::string kLoss = Layer("loss", "SoftmaxWithLoss", {"s", "label"}, {"loss"});
const char kFrozen[] = "param { lr_mult: 0 } param { lr_mult: 0 }";

bool Runs(const Net& net, const std::string& layer) { return FindNode(net, layer).runs_backward; }
bool Propagates(const Net& net, const std::string& layer, int bottom = 0) {
  return FindNode(net, layer).propagate_down.at(bottom);
}
bool HasDiff(const Net& net, const std::string& blob) { return net.FindBlob(blob)->has_diff(); }

void SetInputs(Net& net) {
  SetBlob(net, "x", RandomValues(12));
  SetBlob(net, "label", RandomLabels(4, 3));
}

TEST(MarkBackwardTest, DataAndLabelsGetNoGradient) {
  const auto net = MakeNet(kInputs + Product("p", "x", "h", 5) + Product("q", "h", "s", 3) + kLoss);
  EXPECT_FALSE(Runs(*net, "x"));
  EXPECT_TRUE(Runs(*net, "p"));
  EXPECT_FALSE(Propagates(*net, "p"));
  EXPECT_TRUE(Propagates(*net, "q"));
  EXPECT_TRUE(Propagates(*net, "loss", 0));
  EXPECT_FALSE(Propagates(*net, "loss", 1));
  EXPECT_FALSE(HasDiff(*net, "x"));
  EXPECT_FALSE(HasDiff(*net, "label"));
  EXPECT_TRUE(HasDiff(*net, "h"));
}

TEST(MarkBackwardTest, BackwardStopsAboveTheLowestLearnedLayer) {
  const auto net = MakeNet(kInputs + Product("p", "x", "h", 5, kFrozen) +
                           Layer("r", "ReLU", {"h"}, {"h"}) + Product("q", "h", "s", 3) + kLoss);
  EXPECT_FALSE(Runs(*net, "p"));
  EXPECT_FALSE(Runs(*net, "r"));
  EXPECT_TRUE(Runs(*net, "q"));
  EXPECT_FALSE(Propagates(*net, "q"));
  EXPECT_FALSE(HasDiff(*net, "h"));
  SetInputs(*net);
  ForwardBackward(*net);
  EXPECT_EQ(ReadParamDiff(*net, "p", 0), std::vector<double>(15, 0.0));
  EXPECT_NE(ReadParamDiff(*net, "q", 0), std::vector<double>(15, 0.0));
}

TEST(MarkBackwardTest, OneFrozenBlobOfTwo) {
  const auto net = MakeNet(kInputs + Product("p", "x", "h", 5, "param { lr_mult: 0 }") +
                           Product("q", "h", "s", 3) + kLoss);
  EXPECT_TRUE(Runs(*net, "p"));
  SetInputs(*net);
  ForwardBackward(*net);
  EXPECT_EQ(ReadParamDiff(*net, "p", 0), std::vector<double>(15, 0.0));
  EXPECT_NE(ReadParamDiff(*net, "p", 1), std::vector<double>(5, 0.0));
}

TEST(MarkBackwardTest, AFrozenLayerInTheMiddlePassesGradientsOn) {
  const auto net =
      MakeNet(kInputs + Product("p", "x", "h", 5) + Product("q", "h", "s", 3, kFrozen) + kLoss);
  EXPECT_TRUE(Runs(*net, "p"));
  EXPECT_TRUE(Propagates(*net, "q"));
}

TEST(MarkBackwardTest, ABranchWithoutALossIsNotRun) {
  const auto net =
      MakeNet(kInputs + Product("p", "x", "s", 3) + kLoss + Product("side", "s", "t", 2) +
              Layer("hits", "Accuracy", {"s", "label"}, {"hits"}));
  EXPECT_FALSE(Runs(*net, "side"));
  EXPECT_FALSE(Runs(*net, "hits"));
  EXPECT_FALSE(HasDiff(*net, "t"));
  EXPECT_TRUE(Runs(*net, "s_p_0_split"));
  SetInputs(*net);
  CheckParamGradients(*net);
}

TEST(MarkBackwardTest, WithoutALossNothingRuns) {
  const auto net = MakeNet(kInputs + Product("p", "x", "s", 3));
  EXPECT_FALSE(Runs(*net, "p"));
  EXPECT_EQ(net->flat_gradients().count(), 0);
  EXPECT_EQ(net->memory().gradients, 0u);
  net->Forward(0);
  net->Backward();
}

TEST(MarkBackwardTest, ALossWeightOfZeroIsNoLoss) {
  const auto net =
      MakeNet(kInputs + Product("p", "x", "s", 3) +
              Layer("loss", "SoftmaxWithLoss", {"s", "label"}, {"loss"}, "loss_weight: 0"));
  EXPECT_FALSE(Runs(*net, "loss"));
  EXPECT_FALSE(Runs(*net, "p"));
}

TEST(MarkBackwardTest, PropagateDownFalseStopsTheGradient) {
  const auto net = MakeNet(kInputs + Product("p", "x", "h", 5) +
                           Product("q", "h", "s", 3, "propagate_down: false") + kLoss);
  EXPECT_FALSE(Runs(*net, "p"));
  EXPECT_TRUE(Runs(*net, "q"));
  EXPECT_FALSE(HasDiff(*net, "h"));
}

// The gradient of h's second value must not be taken for that of its first.
TEST(MarkBackwardTest, PropagateDownFalseStopsTheGradientInPlaceToo) {
  const auto net = MakeNet(kInputs + Product("p", "x", "h", 5) +
                           Layer("r", "ReLU", {"h"}, {"h"}, "propagate_down: false") +
                           Product("q", "h", "s", 3) + kLoss);
  EXPECT_FALSE(Runs(*net, "p"));
  EXPECT_FALSE(Runs(*net, "r"));
  EXPECT_TRUE(Runs(*net, "q"));
  SetInputs(*net);
  ForwardBackward(*net);
  EXPECT_EQ(ReadParamDiff(*net, "p", 0), std::vector<double>(15, 0.0));
}

TEST(MarkBackwardTest, PropagateDownOfOneBranch) {
  const auto net = MakeNet(
      kInputs + Product("p", "x", "a", 3) + Product("q", "x", "b", 3) +
      Layer("e", "Eltwise", {"a", "b"}, {"s"}, "propagate_down: true propagate_down: false") +
      kLoss);
  EXPECT_TRUE(Runs(*net, "p"));
  EXPECT_FALSE(Runs(*net, "q"));
  SetInputs(*net);
  ForwardBackward(*net);
  EXPECT_NE(ReadParamDiff(*net, "p", 0), std::vector<double>(9, 0.0));
  EXPECT_EQ(ReadParamDiff(*net, "q", 0), std::vector<double>(9, 0.0));
}

// As in Caffe: a way to get the gradient of a net's input.
TEST(MarkBackwardTest, PropagateDownTrueAsksForTheGradientOfData) {
  const auto net = MakeNet(kInputs + Product("p", "x", "s", 3, "propagate_down: true") + kLoss);
  EXPECT_TRUE(Propagates(*net, "p"));
  SetInputs(*net);
  ForwardBackward(*net);
  CheckAgainstLoss(*net, net->FindBlob("x")->data_tensor(), ReadDiff(*net, "x"), "x");
}

TEST(MarkBackwardTest, ForceBackwardReachesTheData) {
  const auto net = MakeNet("force_backward: true " + kInputs + Product("p", "x", "h", 5, kFrozen) +
                           Layer("r", "ReLU", {"h"}, {"h"}) + Product("q", "h", "s", 3) + kLoss);
  EXPECT_TRUE(Propagates(*net, "p"));
  EXPECT_TRUE(Propagates(*net, "r"));
  EXPECT_FALSE(Propagates(*net, "loss", 1));
  EXPECT_FALSE(Runs(*net, "x"));
  SetInputs(*net);
  ForwardBackward(*net);
  CheckAgainstLoss(*net, net->FindBlob("x")->data_tensor(), ReadDiff(*net, "x"), "x");
  // The frozen weights get gradients too; the solver leaves them.
  CheckAgainstLoss(*net, net->param(0).data_tensor(), ReadParamDiff(*net, "p", 0), "p.0");
}

// People set the gradient of an output by hand and look at what comes down.
TEST(MarkBackwardTest, ForceBackwardNeedsNoLoss) {
  const auto net =
      MakeNet("force_backward: true " + Input("x", {1, 2}) +
                  Layer("p", "InnerProduct", {"x"}, {"y"}, "inner_product_param { num_output: 2 }"),
              {DeviceKind::kCpu, DType::kFloat64, 1, proto::TEST});
  SetParam(*net, "p", 0, {1, 2, 3, 4});
  net->Forward(0);
  net->FindBlob("y")->diff_tensor().FromHost(std::vector<double>{10, 100});
  net->Backward();
  // dx = W^T dy = (1*10 + 3*100, 2*10 + 4*100).
  EXPECT_EQ(ReadDiff(*net, "x"), (std::vector<double>{310, 420}));
}

TEST(MarkBackwardTest, ForceBackwardAllowsLayersWithoutGradient) {
  const auto net = MakeNet("force_backward: true " + kInputs + Product("p", "x", "s", 3) + kLoss +
                           Layer("hits", "Accuracy", {"s", "label"}, {"hits"}));
  EXPECT_FALSE(Runs(*net, "hits"));
  EXPECT_FALSE(Propagates(*net, "hits", 0));
  SetInputs(*net);
  CheckParamGradients(*net);
}

TEST(MarkBackwardTest, ForceBackwardWinsOverPropagateDown) {
  const auto net = MakeNet("force_backward: true " + kInputs + Product("p", "x", "h", 5) +
                           Product("q", "h", "s", 3, "propagate_down: false") + kLoss);
  EXPECT_TRUE(Propagates(*net, "q"));
}

TEST(MarkBackwardTest, ABottomThatCannotTakeAGradientIsAnError) {
  const std::string labels = Layer("f", "Flatten", {"t"}, {"l"}, "flatten_param { axis: 0 }");
  const std::string text = kInputs + Product("p", "x", "s", 3) + Product("q", "x", "t", 1) + labels;
  const std::string loss = "'SoftmaxWithLoss' bottom: 's' bottom: 'l' top: 'loss'";
  ExpectError([&] { MakeNet(text + "layer { name: 'loss' type: " + loss + " }"); },
              {"layer 'loss' (SoftmaxWithLoss)", "bottom 1", "'l'", "propagate_down"});
  const auto net =
      MakeNet(text + "layer { name: 'loss' propagate_down: true propagate_down: false " +
              "type: " + loss + " }");
  EXPECT_TRUE(Runs(*net, "p"));
  EXPECT_FALSE(Runs(*net, "q"));
}

TEST(MarkBackwardTest, ALossThroughALayerWithoutGradientIsAnErrorInTraining) {
  const std::string text = kInputs + Product("p", "x", "s", 3) +
                           Layer("hits", "Accuracy", {"s", "label"}, {"hits"}, "loss_weight: 1");
  ExpectError([&] { MakeNet(text); }, {"layer 'hits' (Accuracy)", "'s'", "propagate_down"});
  const auto net = MakeNet(text, {DeviceKind::kCpu, DType::kFloat32, 1, proto::TEST});
  EXPECT_FALSE(Runs(*net, "p"));
}

TEST(MarkBackwardTest, AForwardOnlyNetKeepsNoGradients) {
  const std::string text = kInputs + Product("p", "x", "s", 3) + kLoss;
  NetOptions options;
  options.backward = false;
  Net net(ParseNet(text), OpenTestDevice(DeviceKind::kCpu), options);
  EXPECT_EQ(net.memory().gradients, 0u);
  EXPECT_EQ(net.memory().param_gradients, 0u);
  SetInputs(net);
  const auto other = MakeNet(text, {DeviceKind::kCpu, DType::kFloat32});
  SetInputs(*other);
  EXPECT_EQ(LossOf(net), LossOf(*other));
  net.Backward();
}

}  // namespace
}  // namespace crema::test
