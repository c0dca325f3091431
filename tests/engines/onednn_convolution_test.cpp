#include <gtest/gtest.h>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string Text(const std::string& options) {
  return "type: 'Convolution' convolution_param { weight_filler { type: 'gaussian' std: 0.5 } "
         "bias_filler { type: 'uniform' min: -1 } " +
         options + " }";
}

RunnerOptions Onednn() {
  RunnerOptions options;
  options.engine = "ONEDNN";
  options.layout = Layout::kChannelsLast;
  options.dtype = DType::kFloat32;
  return options;
}

TEST(OnednnConvolutionTest, GivesWhatOurOwnCodeGives) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::vector<EngineCase> cases = {
      {"num_output: 20 kernel_size: 5", {4, 1, 28, 28}},
      {"num_output: 50 kernel_size: 5", {3, 20, 12, 12}},
      {"num_output: 32 kernel_size: 5 pad: 2", {2, 3, 32, 32}},
      {"num_output: 16 kernel_size: 3", {2, 16, 9, 8}},
      {"num_output: 16 kernel_size: 3 pad: 1 stride: 2 bias_term: false", {2, 32, 9, 12}},
      {"num_output: 64 kernel_size: 7 pad: 3 stride: 2", {1, 3, 30, 31}},
      {"num_output: 96 kernel_size: 11 stride: 4", {1, 3, 51, 51}},
      {"num_output: 32 kernel_size: 1", {3, 16, 7, 7}},
      {"num_output: 24 kernel_size: 1 stride: 2", {2, 40, 7, 7}},
      {"num_output: 24 kernel_size: 1 stride: 2 group: 2", {2, 40, 8, 7}},
      // Whose weights' gradient is a product.
      {"num_output: 256 kernel_size: 1 bias_term: false", {2, 128, 5, 6}},
      {"num_output: 256 kernel_size: 1 stride: 2 bias_term: false", {2, 136, 6, 8}},
      {"num_output: 512 kernel_size: 1", {3, 256, 4, 4}},
      {"num_output: 512 kernel_size: 1 stride: 2", {1, 260, 4, 6}},
      {"num_output: 24 kernel_size: 1 stride_h: 1 stride_w: 3", {3, 16, 5, 10}},
      {"num_output: 24 kernel_size: 1 stride_h: 3 stride_w: 1", {3, 16, 7, 4}},
      {"num_output: 16 kernel_size: 1 stride: 3", {2, 32, 10}},
      {"num_output: 16 kernel_size: 1 stride: 2", {2, 16, 4, 5, 6}},
      {"num_output: 16 kernel_size: 1 stride: 2 pad: 1", {2, 16, 6, 6}},
      // Images of one pixel.
      {"num_output: 40 kernel_size: 1", {3, 24, 1, 1}},
      {"num_output: 40 kernel_size: 1 bias_term: false", {1, 24, 1, 1}},
      {"num_output: 7 kernel_size: 1", {5, 3, 1}},
      {"num_output: 24 kernel_size: 1 group: 2", {2, 16, 1, 1}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 2", {2, 32, 6, 6}},
      {"num_output: 7 kernel_size: 3 pad: 1", {2, 5, 6, 6}},
      {"num_output: 16 kernel_size: 3 dilation: 2 pad: 2", {2, 16, 9, 9}},
      {"num_output: 16 kernel_h: 1 kernel_w: 7 pad_h: 0 pad_w: 3", {2, 16, 9, 9}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 32", {2, 32, 9, 9}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 32 stride: 2 bias_term: false", {2, 32, 9, 9}},
      {"num_output: 16 kernel_size: 3 pad: 1", {2, 16, 10}},
      {"num_output: 16 kernel_size: 3 pad: 1", {2, 16, 4, 5, 6}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    ExpectSameAsCaffe(Text(c.options), {c.bottom}, Onednn());
  }
}

TEST(OnednnConvolutionTest, SeveralBottomsShareTheWeights) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  RunnerOptions options = Onednn();
  options.tops = 2;
  ExpectSameAsCaffe(Text("num_output: 8 kernel_size: 3"), {{2, 16, 5, 5}, {2, 16, 5, 5}}, options);
  ExpectSameAsCaffe(Text("num_output: 512 kernel_size: 1 stride: 2"),
                    {{2, 256, 4, 4}, {2, 256, 4, 4}}, options);
}

TEST(OnednnConvolutionTest, LeavesFrozenGradientsAlone) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const std::vector<bool>& wants : {std::vector<bool>{false, true}, {true, false}}) {
    RunnerOptions options = Onednn();
    options.wants_gradient = wants;
    ExpectSameAsCaffe(Text("num_output: 8 kernel_size: 3"), {{2, 16, 5, 5}}, options);
  }
}

// In phase TEST packed weights are kept, and made anew only after a change.
TEST(OnednnConvolutionTest, SeesNewWeightsInPhaseTest) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  RunnerOptions options = Onednn();
  options.phase = Phase::kTest;
  ExpectSameAsCaffe(Text("num_output: 16 kernel_size: 3 pad: 1"), {{2, 16, 5, 5}}, options);
}

// A net for testing that borrows its weights from one that learns.
TEST(OnednnConvolutionTest, ATestNetSeesWhatTheTrainNetLearns) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto text = [](const std::string& engine) {
    const std::string options =
        "convolution_param { num_output: 16 kernel_size: 3 engine: " + engine +
        " weight_filler { type: 'xavier' } }";
    return Input("x", {2, 3, 8, 8}) + Layer("a", "Convolution", {"x"}, {"a"}, options) +
           Layer("b", "Convolution", {"a"}, {"b"}, options);
  };
  const auto device = OpenDevice(DeviceKind::kCpu);
  NetOptions options;
  Net train(ParseNet(text("ONEDNN")), device, options);
  options.backward = false;
  options.share_params_with = &train;
  Net test(ParseNet(text("ONEDNN"), proto::TEST), device, options);
  Net expected(ParseNet(text("CAFFE"), proto::TEST), device, options);
  for (int round = 0; round < 3; ++round) {
    if (round > 0) SetParam(train, "a", 0, RandomValues(16 * 3 * 9, round));
    for (int pass = 0; pass < 2; ++pass) {
      for (Net* net : {&test, &expected}) {
        SetBlob(*net, "x", RandomValues(2 * 3 * 64, 10 * round + pass));
        net->Forward(0);
      }
      ExpectClose(ReadBlob(test, "b"), ReadBlob(expected, "b"), 1e-5, "b");
    }
  }
}

TEST(OnednnConvolutionTest, AddsToGradients) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  LayerRunner runner(Text("num_output: 16 kernel_size: 3"), {{2, 16, 5, 5}}, Onednn());
  runner.Forward();
  runner.Backward();
  const std::vector<double> once = runner.ParamDiff(0);
  RunnerOptions two = Onednn();
  two.tops = 2;
  LayerRunner both(Text("num_output: 16 kernel_size: 3"), {{2, 16, 5, 5}, {2, 16, 5, 5}}, two);
  both.SetBottom(1, both.Bottom(0));
  both.SetTopDiff(1, both.TopDiff(0));
  both.Forward();
  both.Backward();
  std::vector<double> twice = once;
  for (double& value : twice) value *= 2;
  ExpectClose(both.ParamDiff(0), twice, 1e-5, "param's gradient");
}

TEST(OnednnConvolutionTest, TakesOtherSizes) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    RunnerOptions options = Onednn();
    options.phase = phase;
    LayerRunner runner(Text("num_output: 16 kernel_size: 3"), {{2, 16, 5, 5}}, options);
    runner.Forward();
    runner.Reshape({{0, 16, 5, 5}});
    runner.Forward();
    runner.Backward();
    runner.Reshape({{1, 16, 9, 8}});
    RunnerOptions own;
    own.dtype = DType::kFloat32;
    LayerRunner expected(Text("num_output: 16 kernel_size: 3"), {{1, 16, 9, 8}}, own);
    runner.Forward();
    expected.Forward();
    ExpectClose(runner.Top(), expected.Top(), 1e-5, "top");
  }
}

TEST(OnednnConvolutionTest, SaysWhatItCannotTake) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  RunnerOptions doubles = Onednn();
  doubles.dtype = DType::kFloat64;
  const auto refused = [](const std::string& options, const Shape& bottom, RunnerOptions on,
                          const std::string& why) {
    ExpectError([&] { LayerRunner runner(Text(options), {bottom}, on); }, {why});
  };
  refused("num_output: 2 kernel_size: 1", {1, 1, 2, 2}, doubles, "float32 only");
  refused("num_output: 2 kernel_size: 1 axis: 2", {1, 1, 2, 2}, Onednn(), "axis: 1");
  refused("num_output: 2", {2, 3}, Onednn(), "spatial axes");
  refused("num_output: 2 kernel_size: 1", {0, 1, 2, 2}, Onednn(), "empty");
}

}  // namespace
}  // namespace crema::test
