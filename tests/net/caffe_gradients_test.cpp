// Nets whose gradients Caffe gets wrong; docs/coming_from_caffe.md lists them.
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string SumOfSquares(const std::string& bottom) {
  return Layer("loss", "Reduction", {bottom}, {"loss"},
               "loss_weight: 1 reduction_param { operation: SUMSQ }");
}

// A small net, in memory that its blobs share.
std::unique_ptr<Net> MakeSharing(const std::string& text, int64_t inputs) {
  MakeNetOptions options;
  options.keep_blobs = false;
  auto net = MakeNet(text, options);
  SetBlob(*net, "x", RandomValues(inputs, 3));
  return net;
}

// Caffe's Flatten leads the gradient past a layer whose top shares its gradient with another blob.
TEST(CaffeGradientsTest, PassThroughAFlattenBehindAView) {
  const std::string begin = Input("x", {2, 3}) + Product("p", "x", "h", 6);
  const std::string views[] = {
      Layer("view", "Reshape", {"h"}, {"v"}, "reshape_param { shape { dim: 0 dim: 2 dim: 3 } }"),
      Layer("view", "Concat", {"h"}, {"v"}), Layer("view", "Slice", {"h"}, {"v"})};
  for (const std::string& view : views) {
    SCOPED_TRACE(view);
    const auto net =
        MakeSharing(begin + view + Layer("f", "Flatten", {"v"}, {"f"}) + SumOfSquares("f"), 6);
    CheckParamGradients(*net);
  }
}

TEST(CaffeGradientsTest, PassThroughAFlattenBehindARecurrentLayer) {
  for (const char* type : {"LSTM", "RNN"}) {
    SCOPED_TRACE(type);
    const auto net = MakeSharing(
        Input("x", {3, 2, 2}) + Input("cont", {3, 2}) +
            Layer("r", type, {"x", "cont"}, {"r"},
                  "recurrent_param { num_output: 3 weight_filler { type: 'gaussian' std: 0.7 } }") +
            Layer("f", "Flatten", {"r"}, {"f"}) + SumOfSquares("f"),
        12);
    SetBlob(*net, "cont", {0, 0, 1, 1, 1, 1});
    CheckParamGradients(*net);
  }
}

// Caffe's Scale writes the gradient of its factor where it should add to it.
TEST(CaffeGradientsTest, OfAFactorAddUpOverIterations) {
  const std::pair<std::vector<int>, std::string> cases[] = {
      {{2, 3}, "axis: 0 num_axes: -1"},  // as large as the bottom
      {{3, 4}, "axis: 0"},
      {{1, 3, 4}, ""}};  // one item
  for (const auto& [shape, options] : cases) {
    SCOPED_TRACE(options);
    int64_t count = 1;
    for (int dim : shape) count *= dim;
    const auto net = MakeSharing(
        Input("x", shape) +
            Layer("s", "Scale", {"x"}, {"y"},
                  "scale_param { " + options + " filler { type: 'gaussian' std: 1 } }") +
            SumOfSquares("y"),
        count);
    ForwardBackward(*net);
    std::vector<double> twice = ReadParamDiff(*net, "s", 0);
    for (double& value : twice) value *= 2;
    net->Forward(0);
    net->Backward();
    ExpectNear(ReadParamDiff(*net, "s", 0), twice, 1e-12);
  }
}

TEST(CaffeGradientsTest, OfASharedFactorAddUp) {
  const std::string shared = "param { name: 'w' } scale_param { axis: 0 num_axes: -1 }";
  const auto net = MakeSharing(Input("x", {2, 3}) + Layer("a", "Scale", {"x"}, {"a"}, shared) +
                                   Layer("b", "Scale", {"a"}, {"b"}, shared) + SumOfSquares("b"),
                               6);
  CheckParamGradients(*net);
}

// Caffe's backward pass of these layers reads a top that the next layer has written over.
TEST(CaffeGradientsTest, AreThoseOfATopThatALayerInPlaceChanges) {
  const std::string layers[] = {"'LRN'", "'Power' power_param { power: 3 }",
                                "'Power' power_param { power: 1.5 shift: 9 }", "'ELU'", "'Exp'",
                                "'MVN'", "'Sigmoid'", "'Softmax'", "'Swish'", "'TanH'",
                                // In place itself, this one reads what it has written.
                                "'ReLU' relu_param { negative_slope: 0.3 }"};
  const std::string changes[] = {
      Layer("c", "Power", {"y"}, {"y"}, "power_param { scale: -2 shift: 1 }"),
      Layer("c", "Scale", {"y"}, {"y"}, "scale_param { filler { value: -2 } bias_term: true }"),
      Layer("c", "BatchNorm", {"y"}, {"y"}),
      Layer("c", "Bias", {"y"}, {"y"}, "bias_param { filler { value: -3 } }"),
      Layer("c", "Dropout", {"y"}, {"y"}),
      Layer("c", "TanH", {"y"}, {"y"}) + Layer("d", "Bias", {"y"}, {"y"}, "bias_param { }")};
  for (const std::string& layer : layers) {
    for (const std::string& change : changes) {
      for (const std::string bottom : {"s", "y"}) {  // not in place and in place
        if (bottom == "y" && layer == "'LRN'") continue;
        SCOPED_TRACE(layer + " on " + bottom + ", then " + change);
        const auto net =
            MakeSharing(Input("x", {2, 3, 2, 2}) + Layer("s", "Scale", {"x"}, {bottom}) +
                            "layer { name: 'l' bottom: '" + bottom + "' top: 'y' type: " + layer +
                            " }" + change + SumOfSquares("y"),
                        24);
        CheckParamGradients(*net);
      }
    }
  }
}

// The sign of its output is not that of its input.
TEST(CaffeGradientsTest, OfAReluWithANegativeSlopeInPlace) {
  const auto net =
      MakeSharing(Input("x", {2, 3}) + Layer("s", "Scale", {"x"}, {"s"}) +
                      Layer("r", "ReLU", {"s"}, {"s"}, "relu_param { negative_slope: -0.5 }") +
                      SumOfSquares("s"),
                  6);
  CheckParamGradients(*net);
}

}  // namespace
}  // namespace crema::test
