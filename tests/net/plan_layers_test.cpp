// What layers are told when they plan, and what follows from it.
#include <algorithm>

#include "crema/dev/registry.h"
#include "net/net_test_util.h"
#include "net/passes.h"

namespace crema::test {
namespace {

const std::string kLoss = Layer("loss", "Reduction", {"y"}, {"loss"},
                                "loss_weight: 1 reduction_param { operation: SUMSQ }");

Graph Compile(const std::string& text, bool backward = true, proto::Phase phase = proto::TRAIN) {
  CompileOptions options;
  options.backward = backward;
  options.fuse = false;
  return CompileNet(ParseNet(text, phase), DeviceKind::kCpu, options);
}

const LayerNode& NodeOf(const Graph& graph, const std::string& name) {
  for (const LayerNode& node : graph.layers) {
    if (node.layer->name() == name) return node;
  }
  Fail("the test names the layer '", name, "', which the net does not have");
}

// The net's gradients where no blob is kept for the test's sake.
void CheckGradientsOf(const std::string& text) {
  MakeNetOptions options;
  options.keep_blobs = false;
  const auto net = MakeNet(text, options);
  SetBlob(*net, "x", RandomValues(net->FindBlob("x")->count(), 5));
  CheckParamGradients(*net);
}

const std::string kProduct = Input("x", {2, 3}) + Product("p", "x", "y", 4);

std::string InPlace(const std::string& type, const std::string& options = "") {
  return Layer(type, type, {"y"}, {"y"}, options);
}

TEST(PlanLayersTest, DropoutMayWriteOverWhatAReluNeeds) {
  const std::string text = kProduct + InPlace("ReLU") + InPlace("Dropout") + kLoss;
  EXPECT_EQ(Compile(text).blobs.size(), 3u);  // x, y, loss
  CheckGradientsOf(text);
  const std::string leaky =
      kProduct + InPlace("ReLU", "relu_param { negative_slope: 0.3 }") + InPlace("Dropout") + kLoss;
  EXPECT_EQ(Compile(leaky).blobs.size(), 3u);
  CheckGradientsOf(leaky);
}

// The signs are still needed after a layer that has kept them.
TEST(PlanLayersTest, OthersMayNot) {
  for (const char* type : {"Sigmoid", "AbsVal", "Scale", "PReLU"}) {
    SCOPED_TRACE(type);
    const std::string next = kProduct + InPlace("ReLU") + InPlace(type) + kLoss;
    EXPECT_EQ(Compile(next).blobs.size(), 4u);
    CheckGradientsOf(next);
    const std::string later =
        kProduct + InPlace("ReLU") + InPlace("Dropout") + InPlace(type) + kLoss;
    EXPECT_EQ(Compile(later).blobs.size(), 4u);
    CheckGradientsOf(later);
  }
}

TEST(PlanLayersTest, DropoutMayNotWriteOverWhatNeedsMoreThanSigns) {
  const std::string text = kProduct + InPlace("TanH") + InPlace("Dropout") + kLoss;
  EXPECT_EQ(Compile(text).blobs.size(), 4u);
  CheckGradientsOf(text);
}

// The name says in place, but the Sigmoid needs its result, so that the next layer has a blob of
// its own, and its input stays.
TEST(PlanLayersTest, ACopyIsOnlyKeptOfWhatIsWrittenOver) {
  const std::string slope = "relu_param { negative_slope: -0.3 }";
  const struct {
    std::string type, options;
  } layers[] = {{"ReLU", slope}, {"PReLU", ""}, {"Scale", ""}, {"AbsVal", ""}, {"BatchNorm", ""}};
  for (const auto& layer : layers) {
    SCOPED_TRACE(layer.type);
    const std::string text =
        kProduct + InPlace("Sigmoid") + InPlace(layer.type, layer.options) + kLoss;
    const Graph graph = Compile(text);
    EXPECT_EQ(graph.blobs.size(), 4u);
    for (const TensorSpec& state : NodeOf(graph, layer.type).plan.state) {
      EXPECT_NE(state.shape, (Shape{2, 4}));
    }
    EXPECT_FALSE(NodeOf(graph, layer.type).planned.in_place);
    const Graph over = Compile(kProduct + InPlace(layer.type, layer.options) + kLoss);
    EXPECT_EQ(over.blobs.size(), 3u);
    EXPECT_TRUE(NodeOf(over, layer.type).planned.in_place);
    EXPECT_EQ(NodeOf(over, layer.type).plan.state.back().shape, (Shape{2, 4}));
  }
}

// A frozen Scale needs no input for a gradient that nobody wants.
TEST(PlanLayersTest, FrozenLayersKeepNothing) {
  const std::string frozen = Layer("s", "Scale", {"y"}, {"y"}, "param { lr_mult: 0 }");
  const Graph graph = Compile(kProduct + frozen + kLoss);
  EXPECT_TRUE(NodeOf(graph, "s").runs_backward);
  EXPECT_TRUE(NodeOf(graph, "s").plan.state.empty());
  EXPECT_FALSE(NodeOf(graph, "s").traits.backward_needs_bottom_data);
  CheckGradientsOf(kProduct + frozen + kLoss);
  const Graph two =
      Compile(kProduct + Product("q", "y", "z", 2, "param { lr_mult: 0 } param { lr_mult: 0 }") +
              Layer("loss", "Reduction", {"z"}, {"loss"}, "loss_weight: 1"));
  EXPECT_TRUE(NodeOf(two, "q").runs_backward);
  EXPECT_FALSE(NodeOf(two, "q").traits.backward_needs_bottom_data);
}

TEST(PlanLayersTest, InferenceKeepsNothing) {
  const std::string text =
      Input("x", {2, 16, 8, 8}) +
      Layer("c", "Convolution", {"x"}, {"y"},
            "convolution_param { num_output: 16 kernel_size: 3 engine: CAFFE }") +
      InPlace("BatchNorm") + InPlace("Scale") + InPlace("PReLU") +
      InPlace("ELU", "elu_param { alpha: -1 }") + InPlace("AbsVal") + InPlace("MVN") +
      Layer("n", "LRN", {"y"}, {"n"}) +
      Layer("m", "Pooling", {"n"}, {"m"}, "pooling_param { kernel_size: 2 engine: CAFFE }") +
      Layer("o", "Pooling", {"n"}, {"o"}, "pooling_param { kernel_size: 2 }") +
      Layer("e", "Eltwise", {"m", "o"}, {"e"}, "eltwise_param { operation: MAX }") +
      Layer("s", "SPP", {"e"}, {"s"}, "spp_param { pyramid_height: 2 }");
  for (const proto::Phase phase : {proto::TEST, proto::TRAIN}) {
    EXPECT_EQ(MemoryOf(Compile(text, false, phase)).state, 0u);
    // Nothing that learns contributes to a loss: it is the same where a backward pass is allowed.
    EXPECT_EQ(MemoryOf(Compile(text, true, phase)).state, 0u);
  }
}

// Remembers for what it was planned.
std::vector<PlanInput>& Told() {
  static std::vector<PlanInput> told;
  return told;
}

class ToldLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override { return LayerTraits::Elementwise(); }
  LayerPlan Plan(const PlanInput& input) override {
    Told().push_back(input);
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    plan.params = {ParamDecl{Shape{2}, {}}};
    return plan;
  }
  void Forward(Context&, const BlobList&, const BlobList&) override {}
  void Backward(Context&, const BlobList&, const std::vector<bool>&, const BlobList&) override {}
};
CREMA_REGISTER_LAYER("ToldOfTests", ToldLayer);

// Of the last plan of the layer, which comes after a product with this `param`.
PlanInput ToldIn(const std::string& product, const std::string& more, const std::string& top,
                 bool backward = true, proto::Phase phase = proto::TRAIN) {
  Told().clear();
  Compile(Input("x", {2, 3}) + Product("p", "x", "y", 4, product) +
              Layer("t", "ToldOfTests", {"y"}, {top}, more) +
              Layer("loss", "Reduction", {top}, {"loss"}, "loss_weight: 1"),
          backward, phase);
  return Told().back();
}

const std::string kFrozen = "param { lr_mult: 0 } param { lr_mult: 0 }";

TEST(PlanLayersTest, TellsWhatWillRunBackward) {
  const PlanInput all = ToldIn("", "", "z");
  EXPECT_TRUE(all.runs_backward);
  EXPECT_TRUE(all.Propagates(0));
  EXPECT_TRUE(all.WantsGradient(0));
  EXPECT_EQ(Told().size(), 1u) << "the first guess was right";

  const PlanInput frozen_below = ToldIn(kFrozen, "", "z");
  EXPECT_TRUE(frozen_below.runs_backward);
  EXPECT_FALSE(frozen_below.Propagates(0));
  EXPECT_TRUE(frozen_below.WantsGradient(0));

  const PlanInput frozen = ToldIn("", "param { lr_mult: 0 }", "z");
  EXPECT_TRUE(frozen.Propagates(0));
  EXPECT_FALSE(frozen.WantsGradient(0));

  const PlanInput none = ToldIn(kFrozen, "param { lr_mult: 0 }", "z");
  EXPECT_FALSE(none.runs_backward);
  EXPECT_FALSE(none.Propagates(0));
  EXPECT_FALSE(none.WantsGradient(0));

  const PlanInput forward_only = ToldIn("", "", "z", false);
  EXPECT_FALSE(forward_only.runs_backward);
  EXPECT_EQ(Told().size(), 1u) << "that was known from the start";
}

TEST(PlanLayersTest, TellsWhereTheLayerIs) {
  const PlanInput apart = ToldIn("", "", "z");
  EXPECT_FALSE(apart.in_place);
  EXPECT_EQ(apart.phase, Phase::kTrain);
  EXPECT_EQ(apart.device, DeviceKind::kCpu);
  EXPECT_EQ(apart.dtype, DType::kFloat32);
  EXPECT_EQ(apart.layout, Layout::kPlain);
  ASSERT_EQ(apart.bottoms.size(), 1u);
  EXPECT_EQ(apart.bottoms[0], TensorType(Shape{2, 4}, DType::kFloat32));
  EXPECT_TRUE(ToldIn("", "", "y").in_place);
  EXPECT_EQ(ToldIn("", "", "z", true, proto::TEST).phase, Phase::kTest);
}

TEST(PlanInputTest, ComparesWhatCounts) {
  const PlanInput all = PlanInput::Of({Shape{2, 3}}, DType::kFloat32);
  PlanInput listed = all;
  listed.propagate_down = {true};
  listed.wants_gradient = {true, true};
  EXPECT_EQ(all, listed) << "an empty list means all";
  listed.wants_gradient = {true, false};
  EXPECT_NE(all, listed);
  listed = all;
  listed.in_place = true;
  EXPECT_NE(all, listed);
  PlanInput none = all, also_none = listed;
  none.runs_backward = also_none.runs_backward = false;
  also_none.in_place = false;
  also_none.propagate_down = {false};
  EXPECT_EQ(none, also_none);
}

// Top 0: the place of the largest value in each row, as whole numbers.
class LargestLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override {
    LayerTraits traits;
    traits.has_backward = false;
    return traits;
  }
  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {TensorSpec(Shape{input.shape(0)[0]}, DType::kInt32)};
    return plan;
  }
  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    const int64_t cols = bottom[0]->shape()[1];
    const double* x = bottom[0]->data<double>();
    int32_t* y = top[0]->mutable_data<int32_t>();
    for (int64_t r = 0; r < top[0]->count(); ++r) {
      const double* row = x + r * cols;
      y[r] = static_cast<int32_t>(std::max_element(row, row + cols) - row);
    }
  }
};
CREMA_REGISTER_LAYER("LargestOfTests", LargestLayer);

// Whole numbers made into the net's.
class ToNumbersLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.accepts_any_dtype = true;
    return traits;
  }
  LayerPlan Plan(const PlanInput& input) override {
    EXPECT_EQ(input.bottoms[0].dtype, DType::kInt32);
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }
  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    const int32_t* x = bottom[0]->data<int32_t>();
    double* y = top[0]->mutable_data<double>();
    for (int64_t i = 0; i < top[0]->count(); ++i) y[i] = x[i];
  }
};
CREMA_REGISTER_LAYER("ToNumbersOfTests", ToNumbersLayer);

const std::string kLargest = Input("x", {3, 4}) + Layer("at", "LargestOfTests", {"x"}, {"at"});

TEST(BlobTypeTest, ABlobMayHaveAnotherTypeThanItsNet) {
  const std::string text = kLargest +
                           Layer("flat", "Flatten", {"at"}, {"flat"}, "flatten_param { axis: 0 }") +
                           Layer("a", "ToNumbersOfTests", {"at"}, {"a"}) +
                           Layer("b", "ToNumbersOfTests", {"flat"}, {"b"}) +
                           Layer("sum", "Eltwise", {"a", "b"}, {"sum"});
  NetOptions options;
  options.dtype = DType::kFloat64;
  options.check_memory = true;
  for (const bool keep : {false, true}) {
    options.keep_blobs = keep;
    Net net(ParseNet(text), OpenDevice(DeviceKind::kCpu), options);
    SetBlob(net, "x", {0, 1, 5, 2, 9, 0, 0, 0, 1, 2, 3, 4});
    net.Forward(0);
    EXPECT_EQ(ReadBlob(net, "sum"), (std::vector<double>{4, 0, 6}));
  }
  options.keep_blobs = true;
  Net net(ParseNet(text), OpenDevice(DeviceKind::kCpu), options);
  EXPECT_EQ(net.FindBlob("at")->dtype(), DType::kInt32);
  EXPECT_EQ(net.FindBlob("at")->data_tensor().bytes(), 12u);
  EXPECT_EQ(net.FindBlob("a")->dtype(), DType::kFloat64);
}

// The numbers of a channels-last image as whole ones, in the order in which they lie there.
class WholeLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override {
    LayerTraits traits;
    traits.has_backward = false;
    traits.accepts_channels_last = traits.needs_channels_last = true;
    return traits;
  }
  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {TensorSpec(input.shape(0), DType::kInt32)};
    return plan;
  }
  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    EXPECT_EQ(bottom[0]->layout(), Layout::kChannelsLast);
    const double* x = bottom[0]->data<double>();
    int32_t* y = top[0]->mutable_data<int32_t>();
    for (int64_t i = 0; i < top[0]->count(); ++i) y[i] = static_cast<int32_t>(x[i]);
  }
};
CREMA_REGISTER_LAYER("WholeOfTests", WholeLayer);

TEST(BlobTypeTest, ItsLayoutChangesAsThatOfOthers) {
  const std::vector<int> sizes = {2, 3, 20, 17};  // large enough for squares of 16
  const auto net = MakeNet(Input("x", sizes) + Layer("w", "WholeOfTests", {"x"}, {"w"}) +
                           Layer("y", "ToNumbersOfTests", {"w"}, {"y"}));
  const int64_t count = net->FindBlob("x")->count();
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<double>(i * 7919 - count));
  SetBlob(*net, "x", values);
  net->Forward(0);
  EXPECT_EQ(ReadBlob(*net, "y"), values);
  for (const BlobNode& blob : net->graph().blobs) {
    const bool is_whole = NameWithoutLayout(blob.name) == "w";
    EXPECT_EQ(blob.dtype, is_whole ? DType::kInt32 : DType::kFloat64) << blob.name;
  }
}

TEST(BlobTypeTest, ItIsPrintedAsAResult) {
  const auto net = MakeNet(kLargest);
  SetBlob(*net, "x", {0, 1, 5, 2, 9, 0, 0, 0, 1, 2, 3, 4});
  net->Forward(0);
  EXPECT_EQ(ReadBlob(*net, "at"), (std::vector<double>{2, 0, 3}));
}

TEST(BlobTypeTest, LayersThatComputeWithTheNetsNumbersRefuseOthers) {
  ExpectError([] { MakeNet(kLargest + Layer("r", "ReLU", {"at"}, {"r"})); },
              {"layer 'r' (ReLU)", "bottom 0", "int32", "float64"});
}

TEST(BlobTypeTest, OthersAreNoLoss) {
  ExpectError(
      [] {
        MakeNet(Input("x", {3, 4}) +
                Layer("at", "LargestOfTests", {"x"}, {"at"}, "loss_weight: 1"));
      },
      {"layer 'at' (LargestOfTests)", "top 0", "int32", "loss"});
}

TEST(BlobTypeTest, HasNoGradient) {
  const std::string text = "force_backward: true " + Input("x", {3, 4}) +
                           Product("p", "x", "y", 4) +
                           Layer("at", "LargestOfTests", {"y"}, {"at"}, "propagate_down: false") +
                           Layer("a", "ToNumbersOfTests", {"at"}, {"a"});
  const Graph graph = Compile(text, true, proto::TEST);
  for (const BlobNode& blob : graph.blobs) {
    if (blob.dtype == DType::kInt32) EXPECT_FALSE(blob.has_diff) << blob.name;
  }
}

}  // namespace
}  // namespace crema::test
