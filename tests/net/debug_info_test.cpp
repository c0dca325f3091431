// debug_info: the lines of BVLC Caffe for the same net, with values worked out by hand.
#include <gmock/gmock.h>

#include <algorithm>

#include "schema/text_reader.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Two products by 0.5 (learned, named w) and 3 (fixed).
constexpr char kNet[] = R"(net_param {
  name: "debug"
  layer { name: "in" type: "DummyData" top: "d" top: "zero" dummy_data_param {
    shape { dim: 2 dim: 1 } shape { dim: 2 dim: 1 } data_filler { value: -2 } data_filler { } } }
  layer { name: "one" type: "InnerProduct" bottom: "d" top: "f" param { name: "w" }
    inner_product_param { num_output: 1 bias_term: false weight_filler { value: 0.5 } } }
  layer { name: "two" type: "InnerProduct" bottom: "f" top: "g" param { lr_mult: 0 }
    inner_product_param { num_output: 1 bias_term: false weight_filler { value: 3 } } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "g" bottom: "zero" top: "loss"
    propagate_down: true propagate_down: false }
})";

std::vector<std::string> DebugLines(const LogCapture& log) {
  std::vector<std::string> lines;
  for (const std::string& line : log.lines()) {
    if (line.find("ward] ") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

// d = -2 everywhere, so f = -1, g = -3, loss = 2 * 9 / 4; its gradients: g -1.5, f -4.5, w 18.
TEST(DebugInfo, LogsCaffesLines) {
  LogCapture log;
  MakeTrainer(ParseSolver(kNet,
                          "base_lr: 0.001 lr_policy: 'fixed' max_iter: 1 display: 1 "
                          "debug_info: true snapshot_after_train: false"))
      ->Step(1);
  EXPECT_THAT(DebugLines(log), ElementsAre("    [Forward] Layer in, top blob d data: 2",
                                           "    [Forward] Layer in, top blob zero data: 0",
                                           "    [Forward] Layer one, top blob f data: 1",
                                           "    [Forward] Layer one, param blob w data: 0.5",
                                           "    [Forward] Layer two, top blob g data: 3",
                                           "    [Forward] Layer two, param blob 0 data: 3",
                                           "    [Forward] Layer loss, top blob loss data: 4.5",
                                           "    [Backward] Layer loss, bottom blob g diff: 1.5",
                                           "    [Backward] Layer two, bottom blob f diff: 4.5",
                                           "    [Backward] Layer one, param blob 0 diff: 18",
                                           "    [Backward] All net params (data, diff): L1 norm = "
                                           "(3.5, 18); L2 norm = (3.04138, 18)"));
}

// What an engine needs is none of the net's layers, and blobs keep their names.
TEST(DebugInfo, LeavesOutChangesOfTheLayout) {
  proto::NetParameter config;
  ReadText(
      "debug_info: true layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 1 "
      "dim: 8 dim: 6 dim: 6 } } } layer { name: 'conv' type: 'Convolution' bottom: 'x' top: 'y' "
      "convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: 'xavier' } } } "
      "layer { name: 'flat' type: 'Flatten' bottom: 'y' top: 'z' } "
      "layer { name: 'sum' type: 'Reduction' bottom: 'z' top: 's' loss_weight: 1 }",
      "net", &config);
  Net net(config, OpenDevice(DeviceKind::kCpu));
  const auto& layers = net.graph().layers;
  const bool changes = std::any_of(layers.begin(), layers.end(),
                                   [](const LayerNode& node) { return node.made_by_pass; });
  if (!changes) GTEST_SKIP() << "no engine of this build needs another layout";
  LogCapture log;
  net.Forward(0);
  net.ClearGradients();
  net.Backward();
  EXPECT_EQ(log.With("(to ").size(), 0u);
  EXPECT_EQ(log.With("[Forward] Layer conv, top blob y data: ").size(), 1u);
  EXPECT_EQ(log.With("[Backward] Layer flat, bottom blob y diff: ").size(), 1u);
}

TEST(DebugInfo, IsForDisplaysOnly) {
  LogCapture log;
  MakeTrainer(ParseSolver(kNet,
                          "base_lr: 0.001 lr_policy: 'fixed' max_iter: 4 display: 2 "
                          "debug_info: true snapshot_after_train: false"))
      ->Step(4);
  EXPECT_EQ(log.With("[Backward] All net params").size(), 2u);
}

// The solver decides for its nets, as in Caffe; the net's own field is for other uses.
TEST(DebugInfo, IsOffWhereTheSolverDoesNotAsk) {
  LogCapture log;
  MakeTrainer(ParseSolver(kNet,
                          "net_param { debug_info: true } base_lr: 0.001 "
                          "lr_policy: 'fixed' max_iter: 1 display: 1 "
                          "snapshot_after_train: false"))
      ->Step(1);
  EXPECT_THAT(DebugLines(log), IsEmpty());
}

TEST(DebugInfo, OfANetLogsItsInputs) {
  proto::NetParameter config;
  ReadText(
      "debug_info: true layer { name: 'in' type: 'Input' top: 'x' "
      "input_param { shape { dim: 1 dim: 2 } } }",
      "net", &config);
  Net net(config, OpenDevice(DeviceKind::kCpu));
  net.FindBlob("x")->data_tensor().FromHost(std::vector<double>{-1, 2});
  LogCapture log;
  net.Forward(0);
  EXPECT_THAT(DebugLines(log), ElementsAre("    [Forward] Input x data: 1.5",
                                           "    [Forward] Layer in, top blob x data: 1.5"));
}

}  // namespace
}  // namespace crema
