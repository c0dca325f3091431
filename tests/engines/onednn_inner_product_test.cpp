#include <gtest/gtest.h>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string Text(const std::string& options) {
  return "type: 'InnerProduct' inner_product_param { engine: ONEDNN weight_filler { type: "
         "'gaussian' std: 0.5 } bias_filler { type: 'uniform' min: -1 } " +
         options + " }";
}

RunnerOptions Onednn(Phase phase = Phase::kTrain) {
  RunnerOptions options;
  options.engine = "ONEDNN";
  options.dtype = DType::kFloat32;
  options.phase = phase;
  return options;
}

TEST(OnednnInnerProductTest, GivesWhatOurOwnCodeGives) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::vector<EngineCase> cases = {
      {"num_output: 10", {64, 500}},
      {"num_output: 500", {20, 50, 4, 4}},
      {"num_output: 1 bias_term: false", {1, 7}},
      {"num_output: 33 transpose: true", {17, 65}},
      {"num_output: 12 axis: 2", {3, 4, 5, 6}},
      {"num_output: 12 axis: 0", {5, 6}},
  };
  for (const EngineCase& c : cases) {
    for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
      SCOPED_TRACE(c.options + " " + c.bottom.ToString());
      ExpectSameAsCaffe(Text(c.options), {c.bottom}, Onednn(phase));
    }
  }
}

TEST(OnednnInnerProductTest, LeavesFrozenGradientsAlone) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const std::vector<bool>& wants : {std::vector<bool>{false, true}, {true, false}}) {
    RunnerOptions options = Onednn();
    options.wants_gradient = wants;
    ExpectSameAsCaffe(Text("num_output: 9"), {{20, 30}}, options);
  }
}

TEST(OnednnInnerProductTest, TakesOtherBatches) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  LayerRunner runner(Text("num_output: 9"), {{20, 30}}, Onednn(Phase::kTest));
  runner.Forward();
  for (const Shape& bottom : {Shape{0, 30}, {1, 30}, {64, 30}}) {
    runner.Reshape({bottom});
    RunnerOptions own;
    own.dtype = DType::kFloat32;
    LayerRunner expected(Text("num_output: 9"), {bottom}, own);
    runner.Forward();
    expected.Forward();
    ExpectClose(runner.Top(), expected.Top(), 1e-5, "top");
  }
}

std::string NetText(const std::string& options, int rows) {
  return Layer("data", "DummyData", {}, {"x", "label"},
               "dummy_data_param { shape { dim: " + std::to_string(rows) +
                   " dim: 30 } shape { dim: " + std::to_string(rows) +
                   " } data_filler { type: 'gaussian' std: 1 } data_filler { value: 2 } }") +
         Product("p", "x", "p", 20, "") + Layer("r", "ReLU", {"p"}, {"p"}) +
         Layer("q", "InnerProduct", {"p"}, {"q"},
               "inner_product_param { num_output: 5 weight_filler { type: 'xavier' } " + options +
                   " }") +
         Layer("loss", "SoftmaxWithLoss", {"q", "label"}, {"loss"});
}

std::string EngineOf(const std::string& text, proto::Phase phase) {
  NetOptions options;
  options.backward = phase == proto::TRAIN;
  return FindNode(Net(ParseNet(text, phase), OpenDevice(DeviceKind::kCpu), options), "q").engine;
}

TEST(OnednnInnerProductTest, IsChosenWhereItPays) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  EXPECT_EQ(EngineOf(NetText("", 64), proto::TEST), "ONEDNN");
  EXPECT_EQ(EngineOf(NetText("", 4), proto::TEST), "CAFFE");
  EXPECT_EQ(EngineOf(NetText("", 64), proto::TRAIN), "CAFFE");
  EXPECT_EQ(EngineOf(NetText("engine: ONEDNN", 4), proto::TRAIN), "ONEDNN");
  EXPECT_EQ(EngineOf(NetText("engine: CAFFE", 64), proto::TEST), "CAFFE");
}

// A ReLU becomes a part of the product, in training too.
TEST(OnednnInnerProductTest, DoesARelu) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const proto::Phase phase : {proto::TRAIN, proto::TEST}) {
    std::string text = NetText("", 20);
    const std::string at = "inner_product_param { num_output: 20";
    text.replace(text.find(at), at.size(), at + " engine: ONEDNN");
    NetOptions options;
    options.check_memory = true;
    options.backward = phase == proto::TRAIN;
    Net fused(ParseNet(text, phase), OpenDevice(DeviceKind::kCpu), options);
    options.fuse = false;
    Net plain(ParseNet(text, phase), OpenDevice(DeviceKind::kCpu), options);
    EXPECT_EQ(FindNode(fused, "p").absorbed.size(), 1u);
    for (uint64_t step = 0; step < 2; ++step) {
      EXPECT_NEAR(LossOf(fused, step), LossOf(plain, step), 1e-5);
      if (phase == proto::TEST) continue;
      for (Net* net : {&fused, &plain}) ForwardBackward(*net, step);
      ExpectNear(fused.flat_gradients().ToHost<double>(), plain.flat_gradients().ToHost<double>(),
                 1e-5);
    }
  }
}

}  // namespace
}  // namespace crema::test
