// Layers that work in place: the same numbers as with names of their own, in any order.
#include <random>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

// Types that may run in place, with options that make a difference.
const std::pair<std::string, std::string> kLayers[] = {
    {"AbsVal", ""},
    {"BatchNorm", ""},
    {"Bias", "bias_param { filler { value: 0.5 } }"},
    {"BNLL", ""},
    {"Clip", "clip_param { min: -0.7 max: 0.8 }"},
    {"ELU", ""},
    {"ELU", "elu_param { alpha: -0.5 }"},
    {"Exp", "exp_param { scale: 0.3 }"},
    {"Log", "log_param { shift: 30 }"},
    {"MVN", "mvn_param { across_channels: true }"},
    {"Power", "power_param { power: 2 scale: 0.5 shift: 0.1 }"},
    {"PReLU", ""},
    {"ReLU", ""},
    {"ReLU", "relu_param { negative_slope: 0.2 }"},
    {"ReLU", "relu_param { negative_slope: -0.3 }"},
    {"Scale", "scale_param { bias_term: true filler { value: 0.8 } bias_filler { value: 0.1 } }"},
    {"Sigmoid", ""},
    {"Softmax", ""},
    {"Swish", ""},
    {"TanH", ""},
};

// A product, then layers of these numbers: all on one blob, or each with a top of its own.
std::string Chain(const std::vector<int>& layers, bool in_place) {
  std::string text = Input("x", {4, 3}) + Product("p", "x", "y", 6), at = "y";
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& [type, options] = kLayers[layers[i]];
    const std::string name = "l" + std::to_string(i), top = in_place ? "y" : name;
    text += Layer(name, type, {at}, {top}, options);
    at = top;
  }
  return text + Layer("loss", "Reduction", {at}, {"loss"},
                      "loss_weight: 1 reduction_param { operation: SUMSQ }");
}

struct Results {
  double loss;
  std::vector<double> gradients;
};

Results RunNet(const std::string& text, bool fuse, bool keep_blobs, DType dtype = DType::kFloat64) {
  NetOptions options;
  options.dtype = dtype;
  options.fuse = fuse;
  options.keep_blobs = keep_blobs;
  options.check_memory = true;
  Net net(ParseNet(text), OpenTestDevice(DeviceKind::kCpu), options);
  SetBlob(net, "x", RandomValues(net.FindBlob("x")->count(), 3));
  ForwardBackward(net);
  Results results{net.loss().ToHost<double>()[0], {}};
  for (size_t p = 0; p < net.graph().params.size(); ++p) {
    if (!net.graph().params[p].wants_gradient) continue;
    const std::vector<double> gradient = net.param(p).diff_tensor().ToHost<double>();
    results.gradients.insert(results.gradients.end(), gradient.begin(), gradient.end());
  }
  return results;
}

TEST(InPlaceTest, GivesWhatNamesOfTheirOwnGive) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<int> layers(2 + random() % 4);
    for (int& layer : layers) layer = static_cast<int>(random() % std::size(kLayers));
    const std::string text = Chain(layers, true);
    SCOPED_TRACE(text);
    const Results expected = RunNet(Chain(layers, false), false, true);
    for (const bool fuse : {false, true}) {
      for (const bool keep : {false, true}) {
        const Results actual = RunNet(text, fuse, keep);
        EXPECT_NEAR(actual.loss, expected.loss, 1e-9 * (1 + std::fabs(expected.loss)));
        ExpectNear(actual.gradients, expected.gradients, 1e-9);
      }
    }
    if (HasFailure()) return;
  }
}

// In channels-last, with what oneDNN's convolution takes over of the layers behind it.
TEST(InPlaceTest, GivesTheSameBehindAConvolutionByAnEngine) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"BatchNorm", ""},
      {"Scale", "scale_param { bias_term: true filler { value: 0.8 } bias_filler { value: 0.1 } }"},
      {"ReLU", ""},
      {"ReLU", "relu_param { negative_slope: 0.2 }"},
      {"Bias", "bias_param { filler { value: 0.5 } }"},
      {"Sigmoid", ""},
      {"TanH", ""},
      {"ELU", ""},
      {"Power", "power_param { scale: 0.5 shift: 0.1 }"},
  };
  const auto convolution = [](const std::string& name, const std::string& bottom,
                              const std::string& top) {
    return Layer(name, "Convolution", {bottom}, {top},
                 "convolution_param { engine: ONEDNN num_output: 16 kernel_size: 3 pad: 1 "
                 "weight_filler { type: 'gaussian' std: 0.1 } }");
  };
  std::mt19937 random(8);
  for (int round = 0; round < 40; ++round) {
    std::vector<size_t> layers(1 + random() % 4);
    for (size_t& layer : layers) layer = random() % kinds.size();
    const auto chain = [&](bool in_place) {
      std::string text = Input("x", {2, 16, 5, 6}) + convolution("c", "x", "y"), at = "y";
      for (size_t i = 0; i < layers.size(); ++i) {
        const std::string name = Concat("l", i), top = in_place ? "y" : name;
        text += Layer(name, kinds[layers[i]].first, {at}, {top}, kinds[layers[i]].second);
        at = top;
      }
      return text + convolution("d", at, "z") +
             Layer("loss", "Reduction", {"z"}, {"loss"},
                   "loss_weight: 1 reduction_param { operation: SUMSQ }");
    };
    SCOPED_TRACE(chain(true));
    const Results expected = RunNet(chain(false), false, true, DType::kFloat32);
    for (const bool fuse : {false, true}) {
      for (const bool keep : {false, true}) {
        const Results actual = RunNet(chain(true), fuse, keep, DType::kFloat32);
        EXPECT_NEAR(actual.loss, expected.loss, 1e-4 * (1 + std::fabs(expected.loss)));
        ExpectClose(actual.gradients, expected.gradients, 1e-4, "gradients");
      }
    }
    if (HasFailure()) return;
  }
}

// What the user sees under the name, and in the log, is what Caffe has there.
TEST(InPlaceTest, TheNameMeansTheLastValue) {
  const std::string text = Input("x", {1, 3}) + Product("p", "x", "y", 2) +
                           Layer("s", "Sigmoid", {"y"}, {"y"}) +
                           Layer("b", "Bias", {"y"}, {"y"}, "bias_param { filler { value: 5 } }");
  for (const bool keep : {false, true}) {
    MakeNetOptions options;
    options.keep_blobs = keep;
    const auto net = MakeNet(text, options);
    SetBlob(*net, "x", {1, 2, 3});
    net->Forward(0);
    for (double value : ReadBlob(*net, "y")) EXPECT_GT(value, 5);
    ASSERT_EQ(net->graph().outputs.size(), 1u);
    EXPECT_EQ(&net->blob(net->graph().outputs[0]), net->FindBlob("y"));
  }
}

TEST(InPlaceTest, AnInputStaysTheOneToFill) {
  const std::string text =
      Input("x", {1, 2}) +
      Layer("s", "Scale", {"x"}, {"x"}, "scale_param { filler { value: 2 } }") +
      Layer("t", "Exp", {"x"}, {"x"}) + Layer("d", "Bias", {"x"}, {"x"}) +
      Layer("loss", "Reduction", {"x"}, {"loss"}, "loss_weight: 1");
  const auto net = MakeNet(text);
  SetBlob(*net, "x", {0.5, 1});
  EXPECT_NEAR(LossOf(*net), std::exp(1) + std::exp(2), 1e-12);
  net->Reshape({{"x", Shape{2, 2}}});
  SetBlob(*net, "x", {0.5, 1, 0, 0});
  EXPECT_NEAR(LossOf(*net), std::exp(1) + std::exp(2) + 2, 1e-12);
}

// The random numbers of a layer follow neither the name of its top nor the order of memory. The
// convolution of another engine has channels-last memory behind it.
TEST(InPlaceTest, DropoutDropsTheSame) {
  const auto text = [](const std::string& engine, const std::string& top) {
    return Input("x", {2, 16, 5, 6}) +
           Layer("c", "Convolution", {"x"}, {"y"},
                 "convolution_param { engine: " + engine +
                     " num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: 'gaussian' } }") +
           Layer("d", "Dropout", {"y"}, {top}) +
           Layer("loss", "Reduction", {top}, {"loss"},
                 "loss_weight: 1 reduction_param { operation: SUMSQ }");
  };
  const Results expected = RunNet(text("CAFFE", "y"), true, false, DType::kFloat32);
  for (const std::string engine : {"CAFFE", "ONEDNN"}) {
    if (!HasEngine(engine)) continue;
    for (const std::string top : {"y", "d"}) {
      SCOPED_TRACE(engine + ", top " + top);
      const Results actual = RunNet(text(engine, top), true, false, DType::kFloat32);
      EXPECT_NEAR(actual.loss, expected.loss, 1e-5 * expected.loss);
      ExpectClose(actual.gradients, expected.gradients, 1e-5, "gradients");
    }
  }
}

// Nothing changes where no layer below needs the value.
TEST(InPlaceTest, OneBlobWhereNobodyMissesTheValue) {
  const std::string chain = Input("x", {2, 3}) + Product("p", "x", "y", 2) +
                            Layer("b", "BatchNorm", {"y"}, {"y"}) +
                            Layer("s", "Scale", {"y"}, {"y"}) + Layer("r", "ReLU", {"y"}, {"y"});
  EXPECT_EQ(CompileNet(ParseNet(chain), DeviceKind::kCpu, {}).blobs.size(), 2u);
  const std::string sigmoid = Input("x", {2, 3}) + Product("p", "x", "y", 2) +
                              Layer("s", "Sigmoid", {"y"}, {"y"}) +
                              Layer("d", "Dropout", {"y"}, {"y"});
  EXPECT_EQ(CompileNet(ParseNet(sigmoid), DeviceKind::kCpu, {}).blobs.size(), 3u);
  CompileOptions forward_only;
  forward_only.backward = false;
  EXPECT_EQ(CompileNet(ParseNet(sigmoid), DeviceKind::kCpu, forward_only).blobs.size(), 2u);
}

}  // namespace
}  // namespace crema::test
