#include <gtest/gtest.h>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string Text(const std::string& options) {
  return "type: 'Deconvolution' convolution_param { weight_filler { type: 'gaussian' std: 0.5 } "
         "bias_filler { type: 'uniform' min: -1 } " +
         options + " }";
}

RunnerOptions On(const std::string& engine) {
  RunnerOptions options;
  options.engine = engine;
  options.layout = Layout::kChannelsLast;
  options.dtype = DType::kFloat32;
  return options;
}

TEST(OnednnDeconvolutionTest, GivesWhatOurOwnCodeGives) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::vector<EngineCase> cases = {
      // As generators of images have them.
      {"num_output: 64 kernel_size: 4", {3, 32, 1, 1}},
      {"num_output: 32 kernel_size: 4 stride: 2 pad: 1 bias_term: false", {2, 64, 5, 6}},
      {"engine: ONEDNN num_output: 3 kernel_size: 4 stride: 2 pad: 1", {2, 16, 8, 8}},
      {"num_output: 16 kernel_size: 5 stride: 2 pad: 2", {2, 32, 7, 7}},
      // As nets that label pixels have them, each channel by itself.
      {"num_output: 21 group: 21 kernel_size: 4 stride: 2 bias_term: false", {1, 21, 6, 7}},
      {"num_output: 32 group: 32 kernel_size: 4 stride: 2 pad: 1", {2, 32, 5, 5}},
      {"num_output: 16 group: 16 kernel_size: 16 stride: 8 pad: 4 bias_term: false", {1, 16, 5, 5}},
      {"num_output: 32 kernel_size: 2 stride: 2", {2, 64, 6, 6}},
      // Pixels that no window reaches.
      {"num_output: 32 kernel_size: 2 stride: 3", {2, 16, 5, 6}},
      {"num_output: 32 group: 32 kernel_size: 2 stride: 3", {2, 32, 5, 6}},
      {"num_output: 16 kernel_size: 3 pad: 3", {2, 16, 8, 8}},
      {"num_output: 24 kernel_size: 3 stride: 2 group: 2", {2, 16, 5, 5}},
      {"num_output: 16 kernel_size: 3 pad: 1", {2, 16, 6, 7}},
      {"num_output: 16 kernel_size: 3 dilation: 2", {2, 16, 6, 6}},
      {"num_output: 12 kernel_size: 1", {2, 20, 5, 5}},
      {"num_output: 24 kernel_size: 1 stride: 2", {2, 16, 5, 5}},
      {"num_output: 256 kernel_size: 1", {2, 128, 5, 6}},
      {"num_output: 40 kernel_size: 1", {3, 24, 1, 1}},
      {"num_output: 16 kernel_h: 1 kernel_w: 5 stride_h: 1 stride_w: 3", {2, 16, 4, 5}},
      {"num_output: 16 kernel_size: 4 stride: 2", {2, 16, 10}},
      {"num_output: 16 kernel_size: 3 stride: 2 pad: 1", {2, 16, 3, 4, 5}},
  };
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    for (const EngineCase& c : cases) {
      SCOPED_TRACE(c.options + " " + c.bottom.ToString());
      RunnerOptions options = On("ONEDNN");
      options.phase = phase;
      ExpectSameAsCaffe(Text(c.options), {c.bottom}, options);
    }
  }
}

TEST(OnednnDeconvolutionTest, HasWinogradsArithmetic) {
  CREMA_NEEDS_ENGINE("WINOGRAD");
  // Its rounding errors are several times as large (convolution_calls.h).
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    RunnerOptions options = On("WINOGRAD");
    options.phase = phase;
    ExpectSameAsCaffe(Text("num_output: 64 kernel_size: 3 pad: 1"), {{4, 64, 24, 24}}, options,
                      1e-4);
    ExpectSameAsCaffe(Text("num_output: 64 kernel_size: 3 pad: 1 group: 2"), {{4, 64, 24, 24}},
                      options, 1e-4);
  }
}

TEST(OnednnDeconvolutionTest, HasBFloat16) {
  CREMA_NEEDS_ENGINE("BF16");
  // Factors have 8 bits.
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    RunnerOptions options = On("BF16");
    options.phase = phase;
    ExpectSameAsCaffe(Text("num_output: 32 kernel_size: 4 stride: 2 pad: 1"), {{2, 64, 5, 6}},
                      options, 1e-2);
  }
}

TEST(OnednnDeconvolutionTest, SeveralBottomsShareTheWeights) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  RunnerOptions options = On("ONEDNN");
  options.tops = 2;
  ExpectSameAsCaffe(Text("num_output: 8 kernel_size: 3 stride: 2"), {{2, 16, 5, 5}, {2, 16, 5, 5}},
                    options);
}

TEST(OnednnDeconvolutionTest, LeavesFrozenGradientsAlone) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const std::vector<bool>& wants : {std::vector<bool>{false, true}, {true, false}}) {
    RunnerOptions options = On("ONEDNN");
    options.wants_gradient = wants;
    ExpectSameAsCaffe(Text("num_output: 8 kernel_size: 3 stride: 2"), {{2, 16, 5, 5}}, options);
  }
}

TEST(OnednnDeconvolutionTest, TakesOtherSizes) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string text = Text("num_output: 16 kernel_size: 4 stride: 2");
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    RunnerOptions options = On("ONEDNN"), own;
    options.phase = phase;
    own.dtype = DType::kFloat32;
    LayerRunner runner(text, {{2, 16, 5, 5}}, options), expected(text, {{1, 16, 9, 8}}, own);
    runner.Forward();
    runner.Reshape({{0, 16, 5, 5}});
    runner.Forward();
    runner.Backward();
    runner.Reshape({{1, 16, 9, 8}});
    runner.Forward();
    expected.Forward();
    ExpectClose(runner.Top(), expected.Top(), 1e-5, "top");
  }
}

// Up and down, with each image on a thread of its own where there are several.
TEST(OnednnDeconvolutionTest, RunsInANetForUse) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto text = [](const std::string& engine) {
    const std::string fillers =
        " weight_filler { type: 'gaussian' std: 0.2 } bias_filler { value: 0.1 } }";
    return "engine: '" + engine + "' " + Input("x", {8, 16, 12, 12}) +
           Layer("down", "Convolution", {"x"}, {"down"},
                 "convolution_param { num_output: 32 kernel_size: 3 stride: 2 pad: 1" + fillers) +
           Layer("relu", "ReLU", {"down"}, {"down"}) +
           Layer("up", "Deconvolution", {"down"}, {"up"},
                 "convolution_param { num_output: 16 kernel_size: 4 stride: 2 pad: 1" + fillers) +
           Layer("sum", "Eltwise", {"up", "x"}, {"sum"});
  };
  const auto device = OpenDevice(DeviceKind::kCpu);
  for (const int processors : {1, 2}) {
    NetOptions options;
    options.backward = false;
    options.slice_bytes = 40 << 10;
    options.processors = processors;
    Net fast(ParseNet(text("ONEDNN"), proto::TEST), device, options);
    Net own(ParseNet(text("CAFFE"), proto::TEST), device, options);
    ASSERT_EQ(fast.graph().slices.size(), 1u);
    EXPECT_EQ(fast.graph().slices[0].lanes, processors);
    for (Net* net : {&fast, &own}) {
      SetBlob(*net, "x", RandomValues(8 * 16 * 12 * 12, 7));
      for (int pass = 0; pass < 2; ++pass) net->Forward(0);
    }
    ExpectClose(ReadBlob(fast, "sum"), ReadBlob(own, "sum"), 1e-5, "sum");
  }
}

// oneDNN makes sixteen channels where few are wanted.
TEST(OnednnDeconvolutionTest, LeavesFewChannelsToOurOwnCode) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto device = OpenDevice(DeviceKind::kCpu);
  const auto node = [&](proto::Phase phase, const std::string& options) {
    const Net net(ParseNet(Input("x", {2, 8, 6, 6}) +
                               Layer("up", "Deconvolution", {"x"}, {"up"},
                                     "convolution_param { kernel_size: 2 " + options + " }"),
                           phase),
                  device);
    return std::make_pair(FindNode(net, "up").engine, FindNode(net, "up").engine_note);
  };
  const auto [engine, note] = node(proto::TRAIN, "num_output: 2");
  EXPECT_EQ(engine, "CAFFE");
  EXPECT_NE(note.find("not ONEDNN: there are too few output channels"), std::string::npos) << note;
  EXPECT_EQ(node(proto::TRAIN, "num_output: 3").first, "ONEDNN");
  EXPECT_EQ(node(proto::TEST, "num_output: 4").first, "CAFFE");
  EXPECT_EQ(node(proto::TEST, "num_output: 5").first, "ONEDNN");
  EXPECT_EQ(node(proto::TEST, "num_output: 4 group: 4").first, "ONEDNN");
  EXPECT_EQ(node(proto::TEST, "num_output: 1 engine: ONEDNN").first, "ONEDNN");
}

TEST(OnednnDeconvolutionTest, SaysWhatItCannotTake) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto refused = [](const std::string& options, const Shape& bottom, DType dtype,
                          const std::string& why) {
    RunnerOptions on = On("ONEDNN");
    on.dtype = dtype;
    ExpectError([&] { LayerRunner runner(Text(options), {bottom}, on); }, {why});
  };
  refused("num_output: 2 kernel_size: 1", {1, 1, 2, 2}, DType::kFloat64, "float32 only");
  refused("num_output: 2 kernel_size: 1 axis: 2", {1, 1, 2, 2}, DType::kFloat32, "axis: 1");
  refused("num_output: 2", {2, 3}, DType::kFloat32, "spatial axes");
  refused("num_output: 8 kernel_size: 1", {0, 1, 2, 2}, DType::kFloat32, "empty");
}

}  // namespace
}  // namespace crema::test
