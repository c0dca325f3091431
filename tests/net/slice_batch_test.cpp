// Nets whose layers take a few images at a time: where they are cut, and that nobody sees it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/strings.h"
#include "crema/dev/registry.h"
#include "engines/engine_test_util.h"
#include "net/net_test_util.h"
#include "net/passes.h"

namespace crema::test {
namespace {

const char kWeights[] =
    " weight_filler { type: 'gaussian' std: 0.4 } bias_filler { type: 'gaussian' std: 0.1 } ";

std::string Conv(const std::string& name, const std::string& bottom, int outputs) {
  return Layer(name, "Convolution", {bottom}, {name},
               "convolution_param { kernel_size: 3 pad: 1 num_output: " + std::to_string(outputs) +
                   kWeights + "}");
}

std::string Pool(const std::string& name, const std::string& bottom) {
  return Layer(name, "Pooling", {bottom}, {name},
               "pooling_param { pool: MAX kernel_size: 2 stride: 2 }");
}

Graph Compile(const std::string& text, size_t slice_bytes, int processors = 1,
              CompileOptions options = {}) {
  options.backward = false;
  options.processors = processors;
  options.slice_bytes = slice_bytes;
  return CompileNet(ParseNet(text, proto::TEST), DeviceKind::kCpu, options);
}

std::vector<std::string> LayersOf(const Graph& graph, const Slices& slices) {
  std::vector<std::string> names;
  for (size_t l = slices.first; l < slices.last; ++l) {
    names.push_back(graph.layers[l].layer->name());
  }
  return names;
}

bool HasLanes(const Graph& graph) {
  const auto has = [](const Slices& slices) { return slices.lanes > 1; };
  return std::any_of(graph.slices.begin(), graph.slices.end(), has);
}

using Names = std::vector<std::string>;

const std::string kSmallNet = "engine: 'CAFFE' " + Input("x", {8, 2, 16, 16}) + Conv("a", "x", 4) +
                              Layer("r", "ReLU", {"a"}, {"a"}) + Pool("p", "a") +
                              Conv("b", "p", 4) + Product("fc", "b", "fc", 300) +
                              Layer("s", "Softmax", {"fc"}, {"s"});

TEST(SliceBatchTest, CutsBeforeLayersOfManyWeights) {
  const Graph graph = Compile(kSmallNet, 1);
  ASSERT_EQ(graph.slices.size(), 1u);
  EXPECT_EQ(LayersOf(graph, graph.slices[0]), (Names{"a", "r", "p", "b"}));
  EXPECT_EQ(graph.slices[0].count, 8);
  Names whole, parts;
  for (int blob : graph.slices[0].whole) whole.push_back(graph.blobs[blob].name);
  for (const BlobNode& blob : graph.blobs) {
    if (blob.is_part) parts.push_back(blob.name + " " + std::to_string(blob.shape[0]));
  }
  EXPECT_EQ(whole, (Names{"x", "b"}));
  EXPECT_EQ(parts, (Names{"a 1", "p 1"}));
  EXPECT_LT(MemoryOf(graph).data, MemoryOf(Compile(kSmallNet, 0)).data);
}

// The first layer reads and writes 6 KB of an image, the ReLU 8, and each one behind it 5.
const std::string kShrinkingNet = Input("x", {8, 2, 16, 16}) + Conv("a", "x", 4) +
                                  Layer("r", "ReLU", {"a"}, {"a"}) + Pool("p", "a") +
                                  Conv("b", "p", 16);

TEST(SliceBatchTest, TakesMoreImagesWhereTheyAreSmaller) {
  const Graph graph = Compile("engine: 'CAFFE' " + kShrinkingNet, 20 << 10);
  ASSERT_EQ(graph.slices.size(), 2u);
  EXPECT_EQ(LayersOf(graph, graph.slices[0]), (Names{"a", "r"}));
  EXPECT_EQ(graph.slices[0].count, 4);
  EXPECT_EQ(LayersOf(graph, graph.slices[1]), (Names{"p", "b"}));
  EXPECT_EQ(graph.slices[1].count, 2);
}

TEST(SliceBatchTest, NotWhereTheBatchFitsOrSomebodyLooks) {
  EXPECT_TRUE(Compile(kSmallNet, 1 << 20).slices.empty());
  EXPECT_TRUE(Compile(kSmallNet, 0).slices.empty());
  CompileOptions options;
  options.keep_blobs = true;
  EXPECT_TRUE(Compile(kSmallNet, 1, 1, options).slices.empty());
  options = {};
  options.slice_bytes = 1;
  EXPECT_TRUE(
      CompileNet(ParseNet(kSmallNet, proto::TEST), DeviceKind::kCpu, options).slices.empty());
  options.backward = false;
  EXPECT_TRUE(
      CompileNet(ParseNet(kSmallNet, proto::TRAIN), DeviceKind::kCpu, options).slices.empty());
}

// A layer in place keeps its input where it learns: that is no weight.
TEST(SliceBatchTest, CountsNoImagesAsWeights) {
  const Graph graph = Compile("engine: 'CAFFE' " + Input("x", {8, 2, 16, 16}) + Conv("a", "x", 4) +
                                  Layer("r", "PReLU", {"a"}, {"a"}) + Pool("p", "a"),
                              1);
  ASSERT_EQ(graph.slices.size(), 1u);
  EXPECT_EQ(LayersOf(graph, graph.slices[0]), (Names{"a", "r", "p"}));
  EXPECT_EQ(graph.slices[0].count, 8);
}

TEST(SliceBatchTest, SaysSoInThePlan) {
  const Graph graph = Compile(kSmallNet, 1);
  const std::string plan = DescribePlan(graph, MemoryOf(graph), "CPU");
  EXPECT_NE(plan.find("runs in 8 parts"), std::string::npos) << plan;
  const auto work = [](const std::string& text) {
    const size_t at = text.find("forward pass");
    return text.substr(at, text.find('\n', at) - at);
  };
  const Graph uncut = Compile(kSmallNet, 0);
  EXPECT_EQ(work(plan), work(DescribePlan(uncut, MemoryOf(uncut), "CPU")));
}

const std::string kConvs = "engine: 'CAFFE' " + Input("x", {8, 2, 16, 16}) + Conv("a", "x", 4) +
                           Layer("r", "ReLU", {"a"}, {"a"}) + Conv("b", "a", 4) +
                           Product("fc", "b", "fc", 300) + Layer("s", "Softmax", {"fc"}, {"s"});

TEST(SliceBatchTest, GivesEachProcessorItsImages) {
  const Graph graph = Compile(kConvs, 20 << 10, 5);
  EXPECT_FALSE(HasLanes(graph));  // at the end two of five would wait
  const Graph two = Compile(kConvs, 20 << 10, 2);
  ASSERT_EQ(two.slices.size(), 1u);
  EXPECT_EQ(LayersOf(two, two.slices[0]), (Names{"a", "r", "b"}));
  EXPECT_EQ(two.slices[0].lanes, 2);
  EXPECT_EQ(two.slices[0].count, 4);  // 8 KB an image
  EXPECT_EQ(Compile(kConvs, 1 << 30, 2).slices[0].count, 2);
  const std::string plan = DescribePlan(two, MemoryOf(two), "CPU");
  EXPECT_NE(plan.find("runs in 4 parts, 2 at a time"), std::string::npos) << plan;
}

// The lanes' memory is apart: one may be far behind the other.
TEST(SliceBatchTest, CountsTheMemoryOfEachLane) {
  const Graph one = Compile(kConvs, 1, 1), two = Compile(kConvs, 1, 2);
  const size_t image = 4 * 16 * 16 * sizeof(float);
  EXPECT_EQ(one.slices[0].count, two.slices[0].count);
  EXPECT_EQ(MemoryOf(two).data, MemoryOf(one).data + image);  // a of one image more
  EXPECT_GE(MemoryOf(two).arena, MemoryOf(one).arena + image);
}

struct Case {
  const char* name;
  std::string text;
  int64_t bytes = 1;
};

// Products of other sizes add up in another order.
constexpr double kRounding = 1e-13;

std::vector<Case> Cases() {
  const std::string x = Input("x", {6, 2, 8, 8});
  const auto norm = [](const std::string& blob) {
    return Layer("n" + blob, "BatchNorm", {blob}, {blob}, "batch_norm_param { eps: 1 }") +
           Layer("s" + blob, "Scale", {blob}, {blob}, "scale_param { bias_term: true }") +
           Layer("r" + blob, "ReLU", {blob}, {blob});
  };
  const std::string scale = "scale_param { bias_term: true filler { type: 'gaussian' std: 1 } }";
  return {
      {"Chain", x + Conv("a", "x", 4) + Layer("r", "ReLU", {"a"}, {"a"}) + Pool("p", "a") +
                    Conv("b", "p", 3) + Product("fc", "b", "fc", 40)},
      {"Residual", x + Conv("a", "x", 4) + Conv("b", "a", 4) +
                       Layer("sum", "Eltwise", {"a", "b"}, {"sum"}) +
                       Layer("r", "ReLU", {"sum"}, {"sum"}) + Conv("c", "sum", 4) +
                       Layer("more", "Eltwise", {"c", "sum"}, {"more"})},
      {"InputReadTwice", x + Conv("a", "x", 4) + Pool("p", "a") +
                             Layer("e", "Reduction", {"x"}, {"e"}) + Conv("b", "x", 4) +
                             Layer("t", "TanH", {"b"}, {"t"})},
      {"InPlaceOnTheInput",
       x + Layer("r", "ReLU", {"x"}, {"x"}) + Conv("a", "x", 4) + Layer("t", "TanH", {"a"}, {"a"})},
      {"JoinedInTheMiddle",
       x + Conv("a", "x", 4) + Layer("t", "TanH", {"a"}, {"a"}) +
           Layer("n", "BatchNorm", {"a"}, {"n"}, "batch_norm_param { use_global_stats: false }") +
           Layer("s", "Scale", {"n"}, {"n"}, scale) + Conv("b", "n", 4) + Pool("p", "b")},
      {"Branches", x + Conv("a", "x", 4) + Layer("s", "Slice", {"a"}, {"s1", "s2"}) +
                       Conv("b", "s1", 4) + Pool("p", "s2") + Pool("q", "b") +
                       Layer("c", "Concat", {"p", "q"}, {"c"}) + Layer("n", "LRN", {"c"}, {"n"}) +
                       Layer("f", "Flatten", {"n"}, {"f"}) + Layer("m", "Softmax", {"f"}, {"m"})},
      {"MaskAndValues", x + Conv("a", "x", 4) +
                            Layer("p", "Pooling", {"a"}, {"p", "mask"},
                                  "pooling_param { pool: MAX kernel_size: 2 stride: 2 }") +
                            Layer("t", "Power", {"mask"}, {"t"}, "power_param { scale: 0.5 }")},
      {"TwoBatches", x + Input("z", {4, 2, 8, 8}) + Conv("a", "x", 4) + Pool("p", "a") +
                         Conv("b", "z", 4) + Pool("q", "b")},
      {"AcrossTheBatch", x + Conv("a", "x", 4) + Pool("p", "a") +
                             Layer("c", "Concat", {"p", "p"}, {"c"}, "concat_param { axis: 0 }") +
                             Pool("q", "c") + Layer("t", "TanH", {"q"}, {"t"})},
      {"PartsOfTwoSizes", kShrinkingNet, 20 << 10},
      {"Bottleneck", x + Conv("a", "x", 16) + norm("a") + Conv("b", "a", 16) + norm("b") +
                         Conv("c", "b", 16) + Layer("sum", "Eltwise", {"c", "a"}, {"sum"}) +
                         Layer("t", "ReLU", {"sum"}, {"sum"}) + Pool("p", "sum")},
      // The addend is whole.
      {"SumBehindAllImages", x + Conv("a", "x", 16) + Layer("e", "Reduction", {"a"}, {"e"}) +
                                 Conv("b", "a", 16) + Layer("sum", "Eltwise", {"b", "a"}, {"sum"}) +
                                 Pool("p", "sum")},
      {"Deconvolution",
       x + Conv("a", "x", 4) +
           Layer("up", "Deconvolution", {"a"}, {"up"},
                 std::string("convolution_param { kernel_size: 2 stride: 2 num_output: 6") +
                     kWeights + "}") +
           Layer("d", "Dropout", {"up"}, {"up"}) + Layer("pr", "PReLU", {"up"}, {"up"})},
  };
}

std::unique_ptr<Net> Make(const std::string& text, size_t slice_bytes, DType dtype,
                          int processors = 1, Net* with = nullptr) {
  NetOptions options;
  options.processors = processors;
  options.dtype = dtype;
  options.backward = false;
  options.check_memory = true;
  options.slice_bytes = slice_bytes;
  options.share_memory_with = with;
  const auto device =
      with == nullptr ? OpenTestDevice(DeviceKind::kCpu) : with->context().shared_device();
  return std::make_unique<Net>(ParseNet(text, proto::TEST), device, options);
}

void SetInputs(Net* net, int seed) {
  for (const BlobNode& blob : net->graph().blobs) {
    if (!net->graph().layers[blob.producer].traits.tops_take_any_shape) continue;
    if (net->FindBlob(blob.name) == nullptr || blob.shape.rank() != 4) continue;
    SetBlob(*net, blob.name, RandomValues(blob.shape.count(), seed));
  }
}

void ExpectSameOutputs(Net* net, Net* whole, double tolerance) {
  for (int seed : {1, 2}) {
    for (Net* each : {net, whole}) {
      SetInputs(each, seed);
      each->Forward(seed);
    }
    ASSERT_EQ(net->graph().outputs.size(), whole->graph().outputs.size());
    for (int output : whole->graph().outputs) {
      const std::string& name = whole->graph().blobs[output].name;
      ASSERT_EQ(net->FindBlob(name)->shape(), whole->FindBlob(name)->shape()) << name;
      ExpectClose(ReadBlob(*net, name), ReadBlob(*whole, name), tolerance, name);
    }
  }
}

TEST(SliceBatchTest, GivesWhatTheWholeBatchGives) {
  for (const Case& each : Cases()) {
    for (int processors : {1, 2, 3}) {
      SCOPED_TRACE(Concat(each.name, ", processors ", processors));
      const std::string text = "engine: 'CAFFE' " + each.text;
      const auto net = Make(text, each.bytes, DType::kFloat64, processors);
      const auto whole = Make(text, 0, DType::kFloat64);
      EXPECT_FALSE(net->graph().slices.empty());
      EXPECT_TRUE(whole->graph().slices.empty());
      ExpectSameOutputs(net.get(), whole.get(), kRounding);
    }
  }
}

// With fusion and other layouts.
TEST(SliceBatchTest, AlsoByTheDefaultEngines) {
  for (const Case& each : Cases()) {
    for (int processors : {1, 2, 3}) {
      SCOPED_TRACE(Concat(each.name, ", processors ", processors));
      const auto net = Make(each.text, each.bytes, DType::kFloat32, processors);
      const auto whole = Make(each.text, 0, DType::kFloat32);
      EXPECT_FALSE(net->graph().slices.empty());
      ExpectSameOutputs(net.get(), whole.get(), 1e-5);
      if (!HasEngine("ONEDNN")) continue;
      if (each.name == std::string("Deconvolution")) {
        EXPECT_EQ(FindNode(*net, "up").engine, "ONEDNN");
      }
      if (each.name != std::string("Bottleneck")) continue;
      EXPECT_EQ(FindNode(*net, "c").absorbed.size(), 2u);  // the sum and its ReLU
      EXPECT_GT(FindNode(*net, "c").parts, 1);
      EXPECT_EQ(HasLanes(net->graph()), processors > 1);
    }
  }
}

// Refuses an image that begins with a 7. One whose name says so writes what is its own.
class RefusingLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::PerSample();
    traits.forward_is_reentrant = name() != "writes";
    return traits;
  }
  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }
  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& x = bottom[0]->data_tensor();
    ctx.device().Copy(top[0]->data_tensor().raw(), x.raw(), x.bytes());
    if (*bottom[0]->data<float>() == 7) Fail("there is a 7");
  }
};

CREMA_REGISTER_LAYER("RefusingOfTests", RefusingLayer);

TEST(SliceBatchTest, PassesOnWhatALaneThrows) {
  const std::string text = Input("x", {4, 3}) + Layer("y", "RefusingOfTests", {"x"}, {"y"}) +
                           Layer("z", "RefusingOfTests", {"y"}, {"z"});
  const auto net = Make(text, 1, DType::kFloat32, 2);
  EXPECT_EQ(net->graph().slices.at(0).lanes, 2);
  for (size_t bad : {0, 2, 3}) {
    std::vector<double> values(12, 1);
    values[3 * bad] = 7;
    SetBlob(*net, "x", values);
    ExpectError([&] { net->Forward(0); }, {"(RefusingOfTests)", "there is a 7"});
    values[3 * bad] = 1;
    SetBlob(*net, "x", values);
    net->Forward(0);
    EXPECT_EQ(ReadBlob(*net, "z"), values);
  }
}

TEST(SliceBatchTest, NotInLayersThatWriteWhatIsTheirOwn) {
  const Graph graph = Compile(Input("x", {4, 3}) + Layer("y", "RefusingOfTests", {"x"}, {"y"}) +
                                  Layer("z", "RefusingOfTests", {"y"}, {"z"}) +
                                  Layer("writes", "RefusingOfTests", {"z"}, {"u"}) +
                                  Layer("v", "RefusingOfTests", {"u"}, {"v"}),
                              1, 2);
  ASSERT_EQ(graph.slices.size(), 1u);
  EXPECT_EQ(LayersOf(graph, graph.slices[0]), (Names{"y", "z"}));
  EXPECT_EQ(graph.slices[0].lanes, 2);
}

// oneDNN keeps compiled code, for one thread or for all.
TEST(SliceBatchTest, GoesFromAllThreadsToOneEachAndBack) {
  const std::string text = Input("x", {1, 16, 24, 24}) + Conv("a", "x", 48) +
                           Layer("r", "ReLU", {"a"}, {"a"}) + Conv("b", "a", 64) +
                           Conv("c", "b", 48);
  const auto net = Make(text, 1 << 20, DType::kFloat32, 2);
  const auto whole = Make(text, 0, DType::kFloat32);
  for (const int64_t batch : {1, 4, 1, 2}) {
    SCOPED_TRACE(batch);
    for (Net* each : {net.get(), whole.get()}) each->Reshape({{"x", Shape{batch, 16, 24, 24}}});
    EXPECT_EQ(HasLanes(net->graph()), batch > 1);
    ExpectSameOutputs(net.get(), whole.get(), 1e-5);
  }
}

// Each layer once for each part, no two at a time in one lane.
TEST(SliceBatchTest, TellsAnObserverWhatRuns) {
  struct Watch : PassObserver {
    void BeforeForward(int layer, int lane) override {
      EXPECT_EQ(std::exchange(running[lane], layer), -1);
    }
    void AfterForward(int layer, int lane) override {
      EXPECT_EQ(std::exchange(running[lane], -1), layer);
      ++runs[lane][layer];
    }
    std::array<int, 2> running = {-1, -1};
    std::array<std::map<int, int>, 2> runs;
  };
  const auto net = Make(kConvs, 1, DType::kFloat64, 2);
  SetInputs(net.get(), 1);
  Watch watch;
  net->Forward(0, &watch);
  for (size_t l = 0; l < net->graph().layers.size(); ++l) {
    const int layer = static_cast<int>(l);
    EXPECT_EQ(watch.runs[0][layer] + watch.runs[1][layer], net->graph().layers[l].parts) << l;
  }
}

// Layers behind it may find another batch in each pass.
TEST(SliceBatchTest, CutsInFrontOfALayerThatFollowsItsData) {
  const std::string text = "engine: 'CAFFE' " + Input("x", {8, 2, 16, 16}) + Input("chosen", {8}) +
                           Conv("a", "x", 4) + Layer("r", "ReLU", {"a"}, {"a"}) +
                           Conv("b", "a", 4) + Layer("f", "Filter", {"b", "chosen"}, {"f"}) +
                           Conv("c", "f", 4) + Conv("d", "c", 4);
  const auto net = Make(text, 1, DType::kFloat64, 2);
  const auto whole = Make(text, 0, DType::kFloat64);
  ASSERT_EQ(net->graph().slices.size(), 1u);
  EXPECT_EQ(LayersOf(net->graph(), net->graph().slices[0]), (Names{"a", "r", "b"}));
  const std::vector<double> choices[] = {
      {1, 0, 1, 0, 1, 1, 0, 1}, {0, 0, 0, 0, 0, 1, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 1}};
  for (const std::vector<double>& chosen : choices) {
    for (Net* each : {net.get(), whole.get()}) SetBlob(*each, "chosen", chosen);
    ExpectSameOutputs(net.get(), whole.get(), kRounding);
  }
}

TEST(SliceBatchTest, FollowsAnArenaThatGrows) {
  const std::string text = Cases()[0].text;
  const auto net = Make(text, 1, DType::kFloat32, 2);
  const auto whole = Make(text, 0, DType::kFloat32);
  ExpectSameOutputs(net.get(), whole.get(), 1e-5);
  const auto larger = Make(Input("x", {2, 2, 64, 64}) + Conv("a", "x", 8) + Pool("p", "a"), 1,
                           DType::kFloat32, 2, net.get());
  larger->Forward(0);
  ExpectSameOutputs(net.get(), whole.get(), 1e-5);
}

TEST(SliceBatchTest, IsCutAnewForAnotherBatch) {
  const auto net = Make(kSmallNet, 1, DType::kFloat64, 2);
  for (const int64_t batch : {4, 1, 7, 8}) {
    SCOPED_TRACE(batch);
    const auto whole = Make(kSmallNet, 0, DType::kFloat64);
    for (Net* each : {net.get(), whole.get()}) each->Reshape({{"x", Shape{batch, 2, 16, 16}}});
    EXPECT_EQ(net->graph().slices.empty(), batch == 1);
    ExpectSameOutputs(net.get(), whole.get(), kRounding);
  }
  EXPECT_THROW(net->Reshape({{"x", Shape{2, 2, 20, 20}}}), Error);  // fc has weights for 16 x 16
  const auto whole = Make(kSmallNet, 0, DType::kFloat64);
  ExpectSameOutputs(net.get(), whole.get(), kRounding);
}

}  // namespace
}  // namespace crema::test
