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

// A layer with a bottom that learns where no gradient can be computed.
struct Refusal {
  const char* type;
  int bottom;
  std::vector<std::string> bottoms;
  const char* options;
};

// 'learned', of 4 x 3, and 'learned1', of 4, depend on the weights of a layer.
std::string RefusalInputs() {
  return kInputs + Input("prob", {4, 3}) + Input("matrix", {1, 1, 3, 3}) + Input("seq", {2, 2, 3}) +
         Input("cont", {2, 2}) + Input("cell", {1, 2, 2}) + Input("gates", {1, 2, 8}) +
         Input("steps", {1, 2}) + Product("p", "x", "learned", 3) + Product("q", "x", "q1", 1) +
         Layer("f", "Flatten", {"q1"}, {"learned1"}, "flatten_param { axis: 0 }") +
         Layer("r", "Reshape", {"learned1"}, {"learned22"},
               "reshape_param { shape { dim: 2 dim: 2 } }") +
         Product("m", "x", "m9", 9) +
         Layer("s", "Slice", {"m9"}, {"m1", "rest"}, "slice_param { axis: 0 slice_point: 1 }") +
         Layer("rm", "Reshape", {"m1"}, {"learned33"},
               "reshape_param { shape { dim: 1 dim: 1 dim: 3 dim: 3 } }") +
         Layer("ru", "Slice", {"learned22"}, {"learned12", "rest2"},
               "slice_param { axis: 0 slice_point: 1 }");
}

const Refusal kRefusals[] = {
    {"SoftmaxWithLoss", 1, {"prob", "learned1"}, ""},
    {"HingeLoss", 1, {"prob", "learned1"}, ""},
    {"MultinomialLogisticLoss", 1, {"prob", "learned1"}, ""},
    {"SigmoidCrossEntropyLoss", 1, {"prob", "learned"}, ""},
    {"InfogainLoss", 1, {"prob", "learned1", "matrix"}, ""},
    {"InfogainLoss", 2, {"prob", "label", "learned33"}, ""},
    {"Embed", 0, {"learned1"}, "embed_param { num_output: 2 input_dim: 5 } loss_weight: 1"},
    {"BatchReindex", 1, {"prob", "learned1"}, "loss_weight: 1"},
    {"Filter", 1, {"prob", "learned1"}, "loss_weight: 1"},
    {"LSTM", 1, {"seq", "learned22"}, "recurrent_param { num_output: 2 } loss_weight: 1"},
    {"RNN", 1, {"seq", "learned22"}, "recurrent_param { num_output: 2 } loss_weight: 1"},
    {"LSTMUnit", 2, {"cell", "gates", "learned12"}, "loss_weight: 1 loss_weight: 1"},
    {"ArgMax", 0, {"learned"}, "loss_weight: 1"},
    {"Threshold", 0, {"learned"}, "loss_weight: 1"},
    {"Accuracy", 0, {"learned", "label"}, "loss_weight: 1"},
};

// As Caffe does; it would end in the first backward pass.
TEST(MarkBackwardTest, WhatCaffeRefusesIsRefused) {
  for (const Refusal& refusal : kRefusals) {
    const std::string type = refusal.type;
    const std::vector<std::string> tops =
        type == "LSTMUnit" ? std::vector<std::string>{"c", "h"} : std::vector<std::string>{"top"};
    const std::string without = [&] {
      std::string text;
      for (size_t b = 0; b < refusal.bottoms.size(); ++b) text += " propagate_down: false";
      return text;
    }();
    const std::string title = "layer 'loss' (" + type + ")";
    ExpectError(
        [&] {
          MakeNet(RefusalInputs() + Layer("loss", type, refusal.bottoms, tops, refusal.options));
        },
        {title, "bottom " + std::to_string(refusal.bottom), refusal.bottoms[refusal.bottom],
         "propagate_down"});
    const auto net = MakeNet(RefusalInputs() +
                             Layer("loss", type, refusal.bottoms, tops, refusal.options + without));
    EXPECT_FALSE(Propagates(*net, "loss", refusal.bottom)) << title;
  }
}

const char kCrop[] = "crop_param { axis: 1 offset: 1 } loss_weight: 1 ";

// Where Caffe sends nothing, nothing is needed: whatever the text asks for.
TEST(MarkBackwardTest, NothingIsSentToWhatGivesAShapeOnly) {
  const std::string text =
      kInputs + Product("p", "x", "whole", 5) + Product("q", "x", "reference", 2);
  for (const char* more : {"", "propagate_down: true propagate_down: true"}) {
    for (const char* force : {"", "force_backward: true "}) {
      const auto net =
          MakeNet(force + text +
                  Layer("crop", "Crop", {"whole", "reference"}, {"y"}, std::string(kCrop) + more));
      EXPECT_TRUE(Propagates(*net, "crop", 0));
      EXPECT_FALSE(Propagates(*net, "crop", 1));
      EXPECT_TRUE(Runs(*net, "p"));
      SetBlob(*net, "x", RandomValues(12));
      CheckParamGradients(*net);
      EXPECT_EQ(ReadParamDiff(*net, "q", 0), std::vector<double>(6, 0.0));
    }
  }
}

// The reference of a Crop learns from the loss that it goes to as well, and from that alone.
TEST(MarkBackwardTest, AReferenceWithAnotherReaderLearnsFromThat) {
  const auto net = MakeNet(kInputs + Product("p", "x", "whole", 5) + Product("q", "x", "s", 3) +
                           kLoss + Layer("crop", "Crop", {"whole", "s"}, {"y"}, kCrop));
  EXPECT_TRUE(Propagates(*net, "s_q_0_split"));
  SetInputs(*net);
  CheckParamGradients(*net);
  EXPECT_NE(ReadParamDiff(*net, "q", 0), std::vector<double>(9, 0.0));
}

// What the net sees of a Crop whose whole does not learn is a constant.
TEST(MarkBackwardTest, ACropOfDataToALearnedReferenceSendsNothing) {
  const auto net = MakeNet(kInputs + Product("q", "x", "s", 2) +
                           Layer("crop", "Crop", {"x", "s"}, {"y"}, "crop_param { axis: 1 }") +
                           Layer("loss", "EuclideanLoss", {"y", "s"}, {"loss"}));
  EXPECT_FALSE(Runs(*net, "crop"));
  SetBlob(*net, "x", RandomValues(12));
  CheckParamGradients(*net);
}

TEST(MarkBackwardTest, NothingIsSentToTheLabelsOfPairs) {
  const std::string text = kInputs + Product("p", "x", "a", 3) + Product("q", "x", "b", 3) +
                           Product("l", "x", "t", 1) +
                           Layer("f", "Flatten", {"t"}, {"alike"}, "flatten_param { axis: 0 }");
  for (const char* force : {"", "force_backward: true "}) {
    const auto net =
        MakeNet(force + text + Layer("loss", "ContrastiveLoss", {"a", "b", "alike"}, {"loss"}));
    EXPECT_TRUE(Propagates(*net, "loss", 0));
    EXPECT_TRUE(Propagates(*net, "loss", 1));
    EXPECT_FALSE(Propagates(*net, "loss", 2));
    SetBlob(*net, "x", RandomValues(12));
    ForwardBackward(*net);
    EXPECT_NE(ReadParamDiff(*net, "p", 0), std::vector<double>(9, 0.0));
    EXPECT_EQ(ReadParamDiff(*net, "l", 0), std::vector<double>(3, 0.0));
  }
}

TEST(MarkBackwardTest, NothingIsSentByAnOutputFile) {
  const std::string file = testing::TempDir() + "/mark_backward_output.h5";
  for (const char* force : {"", "force_backward: true "}) {
    const auto net =
        MakeNet(force + kInputs + Product("p", "x", "s", 3) + kLoss +
                Layer("out", "HDF5Output", {"s", "label"}, {},
                      "propagate_down: true propagate_down: true hdf5_output_param { file_name: '" +
                          file + "' }"));
    EXPECT_FALSE(Runs(*net, "out"));
    SetInputs(*net);
    CheckParamGradients(*net);
  }
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
