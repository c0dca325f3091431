#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string Convolution(const std::string& name, const std::string& bottom, const std::string& top,
                        const std::string& engine) {
  return Layer(name, "Convolution", {bottom}, {top},
               "convolution_param { num_output: 16 kernel_size: 3 pad: 1 engine: " + engine +
                   " weight_filler { type: 'xavier' } bias_filler { type: 'gaussian' } }");
}

MakeNetOptions Floats() {
  MakeNetOptions options;
  options.dtype = DType::kFloat32;
  return options;
}

// Convolutions around a layer that knows the plain order only, and an in-place one of that kind.
std::string Mixed(const std::string& engine) {
  return Input("x", {2, 3, 6, 6}) + Convolution("a", "x", "a", engine) +
         Layer("r", "ReLU", {"a"}, {"a"}) + Convolution("b", "a", "b", engine) +
         Layer("sum", "Eltwise", {"a", "b"}, {"s"}) +
         Layer("n", "MVN", {"s"}, {"n"}, "mvn_param { normalize_variance: false }") +
         Layer("scale", "Scale", {"s"}, {"t"}, "scale_param { axis: 2 }") +
         Layer("in place", "Bias", {"t"}, {"t"}, "bias_param { axis: 2 }") +
         Convolution("c", "n", "c", engine) +
         Layer("twice", "Power", {"t"}, {"u"}, "power_param { scale: 2 }") +
         Layer("join", "Concat", {"c", "t", "u"}, {"y"}) +
         Layer("loss", "Reduction", {"y"}, {"loss"},
               "loss_weight: 1 reduction_param { operation: SUMSQ }");
}

std::vector<std::string> Types(const Net& net) {
  std::vector<std::string> types;
  for (const LayerNode& node : net.graph().layers) types.push_back(node.layer->type());
  return types;
}

TEST(PlanLayoutTest, ChangesOnlyAtTheEdges) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto net = MakeNet(Input("x", {2, 3, 6, 6}) + Convolution("a", "x", "a", "ONEDNN") +
                               Layer("r", "ReLU", {"a"}, {"a"}) +
                               Convolution("b", "a", "b", "ONEDNN") + Product("p", "b", "p", 4),
                           Floats());
  EXPECT_EQ(Types(*net),
            (std::vector<std::string>{"Input", "(to channels-last)", "Convolution", "ReLU",
                                      "Convolution", "(to plain)", "InnerProduct"}));
  EXPECT_EQ(net->FindBlob("a")->layout(), Layout::kChannelsLast);
  EXPECT_EQ(net->FindBlob("x")->layout(), Layout::kPlain);
  EXPECT_NE(net->Describe().find("channels-last"), std::string::npos);
}

TEST(PlanLayoutTest, PutsNothingInWithoutNeed) {
  const auto net = MakeNet(Mixed("CAFFE"), Floats());
  for (const std::string& type : Types(*net)) EXPECT_NE(type[0], '(') << type;
}

TEST(PlanLayoutTest, OutputsArePlainUnderTheirNames) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto net =
      MakeNet(Input("x", {2, 3, 6, 6}) + Convolution("a", "x", "a", "ONEDNN"), Floats());
  ASSERT_EQ(net->graph().outputs.size(), 1u);
  EXPECT_EQ(net->graph().blobs[net->graph().outputs[0]].name, "a");
  EXPECT_EQ(net->FindBlob("a")->layout(), Layout::kPlain);
}

TEST(PlanLayoutTest, GivesTheResultsOfThePlainNet) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto plain = MakeNet(Mixed("CAFFE"), Floats());
  const auto mixed = MakeNet(Mixed("ONEDNN"), Floats());
  for (Net* net : {plain.get(), mixed.get()}) {
    SetBlob(*net, "x", RandomValues(2 * 3 * 36));
    ForwardBackward(*net);
  }
  for (const char* blob : {"a", "b", "s", "n", "t", "u", "c", "y"}) {
    ExpectClose(ReadBlob(*mixed, blob), ReadBlob(*plain, blob), 1e-5, blob);
  }
  for (const char* layer : {"a", "b", "c", "scale", "in place"}) {
    ExpectClose(ReadParamDiff(*mixed, layer, 0), ReadParamDiff(*plain, layer, 0), 1e-4, layer);
  }
}

TEST(PlanLayoutTest, SharesMemoryWithTheBlobThatIsRead) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto net = MakeNet(Mixed("ONEDNN"), Floats());
  int sharing = 0;
  for (const LayerNode& node : net->graph().layers) {
    for (int top : node.tops) {
      const int shared = net->graph().blobs[top].shares_data_with;
      if (shared < 0) continue;
      EXPECT_EQ(shared, node.bottoms[0]) << node.layer->name();
      ++sharing;
    }
  }
  EXPECT_GT(sharing, 0);
}

TEST(PlanLayoutTest, FilesOfWeightsHoldTheLayersOfTheText) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  proto::NetParameter saved;
  MakeNet(Mixed("ONEDNN"), Floats())->ToProto(&saved, false);
  for (const auto& layer : saved.layer()) EXPECT_NE(layer.type()[0], '(') << layer.name();
}

TEST(PlanLayoutTest, TakesOtherSizes) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string text = Input("x", {2, 3, 6, 6}) + Convolution("a", "x", "a", "ONEDNN") +
                           Layer("r", "ReLU", {"a"}, {"a"});
  const auto net = MakeNet(text, Floats());
  net->Reshape({{"x", Shape{1, 3, 4, 7}}});
  SetBlob(*net, "x", RandomValues(3 * 28));
  net->Forward(0);
  const auto expected = MakeNet(Input("x", {1, 3, 4, 7}) + Convolution("a", "x", "a", "CAFFE") +
                                    Layer("r", "ReLU", {"a"}, {"a"}),
                                Floats());
  SetBlob(*expected, "x", RandomValues(3 * 28));
  expected->Forward(0);
  ExpectClose(ReadBlob(*net, "a"), ReadBlob(*expected, "a"), 1e-5, "a");
}

}  // namespace
}  // namespace crema::test
