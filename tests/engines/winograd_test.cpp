// Convolution with Winograd's arithmetic: other rounding, else what the plain way gives.
#include <gtest/gtest.h>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string Text(const std::string& options) {
  return "type: 'Convolution' convolution_param { weight_filler { type: 'gaussian' std: 0.1 } "
         "bias_filler { type: 'uniform' min: -1 } kernel_size: 3 " +
         options + " }";
}

RunnerOptions Winograd(Phase phase = Phase::kTrain) {
  RunnerOptions options;
  options.engine = "WINOGRAD";
  options.layout = Layout::kChannelsLast;
  options.dtype = DType::kFloat32;
  options.phase = phase;
  return options;
}

// oneDNN has it for processors with AVX-512, in versions that have it at all.
std::string WhyNoWinograd() {
  if (!HasEngine("WINOGRAD")) return "this build has no oneDNN";
  try {
    LayerRunner runner(Text("num_output: 64 pad: 1"), {{4, 64, 16, 16}}, Winograd());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class WinogradTest : public testing::Test {
 protected:
  void SetUp() override {
    static const std::string why_not = WhyNoWinograd();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }
};

// A largest value is some four times the usual one, and an error of 1e-5 of the usual value is the
// largest of millions.
TEST_F(WinogradTest, GivesWhatOurOwnCodeGives) {
  const std::vector<EngineCase> cases = {
      {"num_output: 64 pad: 1", {4, 32, 16, 16}},
      {"num_output: 32 pad: 1", {5, 64, 13, 11}},
      {"num_output: 48", {2, 32, 22, 31}},
      {"num_output: 64 pad: 1 bias_term: false", {1, 64, 28, 28}},
      {"num_output: 128 pad: 1", {8, 96, 14, 14}},
      {"num_output: 128 pad: 1 group: 2", {8, 96, 14, 14}},
      {"num_output: 96 pad: 1 group: 3 bias_term: false", {3, 96, 14, 13}},
      {"num_output: 64 group: 2", {2, 64, 30, 31}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    ExpectSameAsCaffe(Text(c.options), {c.bottom}, Winograd());
  }
}

TEST_F(WinogradTest, SeveralBottomsShareTheWeights) {
  RunnerOptions options = Winograd();
  options.tops = 2;
  ExpectSameAsCaffe(Text("num_output: 32 pad: 1"), {{4, 32, 14, 14}, {4, 32, 14, 14}}, options);
}

TEST_F(WinogradTest, LeavesFrozenGradientsAlone) {
  for (const std::vector<bool>& wants : {std::vector<bool>{false, true}, {true, false}}) {
    RunnerOptions options = Winograd();
    options.wants_gradient = wants;
    ExpectSameAsCaffe(Text("num_output: 32 pad: 1"), {{4, 32, 14, 14}}, options);
  }
}

// Where nothing learns, prepared weights are kept, also for small images.
TEST_F(WinogradTest, SeesNewWeightsInPhaseTest) {
  for (const Shape& bottom : {Shape{1, 64, 7, 7}, {1, 32, 14, 13}, {2, 32, 40, 40}}) {
    SCOPED_TRACE(bottom.ToString());
    ExpectSameAsCaffe(Text("num_output: 64 pad: 1"), {bottom}, Winograd(Phase::kTest));
  }
}

TEST_F(WinogradTest, TakesOtherSizes) {
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    LayerRunner runner(Text("num_output: 32"), {{4, 32, 16, 16}}, Winograd(phase));
    runner.Forward();
    runner.Reshape({{0, 32, 16, 16}});
    runner.Forward();
    for (const Shape& bottom : {Shape{1, 32, 3, 3}, {2, 32, 30, 21}}) {
      runner.Reshape({bottom});
      RunnerOptions own;
      own.dtype = DType::kFloat32;
      LayerRunner expected(Text("num_output: 32"), {bottom}, own);
      runner.Forward();
      expected.Forward();
      ExpectClose(runner.Top(), expected.Top(), 1e-5, "top");
    }
  }
}

TEST_F(WinogradTest, IsChosenWhereItPays) {
  const auto engine = [](const std::string& options, const std::vector<int>& bottom,
                         proto::Phase phase) {
    NetOptions single;
    single.backward = phase == proto::TRAIN;
    const std::string layer =
        Layer("c", "Convolution", {"x"}, {"c"},
              "convolution_param { weight_filler { type: 'xavier' } " + options + " }");
    const Net net(ParseNet(Input("x", bottom) + layer, phase), OpenDevice(DeviceKind::kCpu),
                  single);
    return FindNode(net, "c").engine;
  };
  const std::string usual = "num_output: 64 kernel_size: 3 pad: 1";
  EXPECT_EQ(engine(usual, {4, 64, 14, 14}, proto::TRAIN), "ONEDNN/WINOGRAD");
  EXPECT_EQ(engine(usual + " engine: ONEDNN", {4, 64, 14, 14}, proto::TRAIN), "ONEDNN");
  EXPECT_EQ(engine(usual, {4, 64, 7, 7}, proto::TRAIN), "ONEDNN");
  EXPECT_EQ(engine(usual, {1, 64, 7, 7}, proto::TEST), "ONEDNN/WINOGRAD");
  EXPECT_EQ(engine(usual + " stride: 2", {4, 64, 28, 28}, proto::TRAIN), "ONEDNN");
  EXPECT_EQ(engine(usual + " dilation: 2", {4, 64, 28, 28}, proto::TRAIN), "ONEDNN");
  EXPECT_EQ(engine(usual + " group: 2", {4, 64, 28, 28}, proto::TRAIN), "ONEDNN/WINOGRAD");
  EXPECT_EQ(engine(usual + " group: 4", {4, 64, 28, 28}, proto::TRAIN), "ONEDNN");
  EXPECT_EQ(engine("num_output: 64 kernel_size: 5", {4, 64, 28, 28}, proto::TRAIN), "ONEDNN");
  EXPECT_EQ(engine("num_output: 16 kernel_size: 3", {4, 16, 28, 28}, proto::TRAIN), "ONEDNN");
  ExpectError(
      [&] {
        engine("num_output: 64 kernel_size: 5 engine: WINOGRAD", {1, 64, 9, 9}, proto::TRAIN);
      },
      {"WINOGRAD", "3 x 3"});
}

// As fusion, in memory that layers share: BatchNorm and Scale become weights in phase TEST.
TEST_F(WinogradTest, DoesTheWorkOfLayersBehind) {
  for (const std::string groups : {"", "group: 2 "}) {
    SCOPED_TRACE(groups);
    const std::string text =
        Input("x", {2, 64, 22, 17}) +
        Layer("c", "Convolution", {"x"}, {"c"},
              "convolution_param { engine: WINOGRAD kernel_size: 3 pad: 1 num_output: 64 " +
                  groups +
                  "weight_filler { type: 'gaussian' std: 0.1 } bias_filler { type: 'uniform' } }") +
        Layer("bn", "BatchNorm", {"c"}, {"bn"}) +
        Layer("scale", "Scale", {"bn"}, {"s"},
              "scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 0.5 } }") +
        Layer("relu", "ReLU", {"s"}, {"y"});
    const auto make = [&](const std::string& engine, bool fuse) {
      NetOptions options;
      options.fuse = fuse;
      options.backward = false;
      options.check_memory = true;
      proto::NetParameter config = ParseNet(text, proto::TEST);
      config.set_engine(engine);
      auto net = std::make_unique<Net>(config, OpenTestDevice(DeviceKind::kCpu), options);
      SetParam(*net, "bn", 0, RandomValues(64, 3));
      SetParam(*net, "bn", 1, std::vector<double>(64, 2.5));
      SetParam(*net, "bn", 2, {2});
      SetBlob(*net, "x", RandomValues(2 * 64 * 22 * 17, 4));
      net->Forward(0);
      return net;
    };
    const auto fused = make("DEFAULT", true), own = make("CAFFE", false);
    EXPECT_EQ(FindNode(*fused, "c").engine, "ONEDNN/WINOGRAD");
    EXPECT_EQ(FindNode(*fused, "c").absorbed.size(), 3u);
    ExpectClose(ReadBlob(*fused, "y"), ReadBlob(*own, "y"), 1e-5, "y");
  }
}

// What a pass works with does not shrink with the batch: eleven images are taken at once, of
// sixteen eight.
TEST_F(WinogradTest, TakesABatchThatAFilterHasMadeSmaller) {
  const std::string text = Input("x", {16, 32, 28, 28}) + Input("s", {16}) +
                           Layer("f", "Filter", {"x", "s"}, {"f"}) +
                           Layer("c", "Convolution", {"f"}, {"c"},
                                 "convolution_param { kernel_size: 3 pad: 1 num_output: 32 "
                                 "weight_filler { type: 'gaussian' std: 0.1 } }") +
                           Layer("e", "Eltwise", {"c", "f"}, {"y"});
  std::vector<double> results[2];
  for (const bool own : {false, true}) {
    NetOptions options;
    options.backward = false;
    proto::NetParameter config = ParseNet(text, proto::TRAIN);
    if (own) config.set_engine("CAFFE");
    Net net(config, OpenTestDevice(DeviceKind::kCpu), options);
    EXPECT_EQ(FindNode(net, "c").engine, own ? "CAFFE" : "ONEDNN/WINOGRAD");
    SetBlob(net, "x", RandomValues(16 * 32 * 28 * 28));
    std::vector<double> selected(16, 1);
    for (int i = 0; i < 5; ++i) selected[3 * i] = 0;
    SetBlob(net, "s", selected);
    net.Forward(0);
    results[own] = ReadBlob(net, "y");
  }
  EXPECT_EQ(results[0].size(), size_t{11 * 32 * 28 * 28});
  ExpectClose(results[0], results[1], 1e-5, "y");
}

// Two layers of it, trained with a fused ReLU, in memory that layers share.
TEST_F(WinogradTest, TrainsAsOurOwnCodeDoes) {
  const auto convolution = [](const std::string& name, const std::string& bottom) {
    return Layer(name, "Convolution", {bottom}, {name},
                 "convolution_param { kernel_size: 3 pad: 1 num_output: 32 "
                 "weight_filler { type: 'gaussian' std: 0.1 } bias_filler { type: 'uniform' } }") +
           Layer("relu_" + name, "ReLU", {name}, {name});
  };
  const std::string text = "force_backward: true " + Input("x", {4, 32, 14, 14}) +
                           convolution("a", "x") + convolution("b", "a") +
                           Layer("loss", "Reduction", {"b"}, {"loss"},
                                 "loss_weight: 1 reduction_param { operation: MEAN }");
  const auto make = [&](const std::string& engine) {
    NetOptions options;
    options.check_memory = true;
    proto::NetParameter config = ParseNet(text);
    config.set_engine(engine);
    auto net = std::make_unique<Net>(config, OpenTestDevice(DeviceKind::kCpu), options);
    for (int pass = 0; pass < 2; ++pass) {
      SetBlob(*net, "x", RandomValues(4 * 32 * 14 * 14, 4));
      ForwardBackward(*net, pass);
    }
    return net;
  };
  const auto fast = make("DEFAULT"), own = make("CAFFE");
  EXPECT_EQ(FindNode(*fast, "b").engine, "ONEDNN/WINOGRAD");
  // A ReLU that decides the other way changes a gradient by more than rounding.
  ExpectClose(fast->flat_gradients().ToHost<double>(), own->flat_gradients().ToHost<double>(), 1e-4,
              "gradients");
  EXPECT_EQ(make("DEFAULT")->flat_gradients().ToHost<double>(),
            fast->flat_gradients().ToHost<double>())
      << "a run is not the same as another";
}

}  // namespace
}  // namespace crema::test
