// Values that are computed again for the backward pass: nothing but the memory changes.
#include <gtest/gtest.h>

#include <algorithm>

#include "net/net_test_util.h"
#include "net/passes.h"

namespace crema::test {
namespace {

std::string Conv(const std::string& name, const std::string& bottom, const std::string& more = "") {
  return Layer(name, "Convolution", {bottom}, {name},
               "convolution_param { kernel_size: 3 pad: 1 num_output: 16 weight_filler { type: "
               "'gaussian' std: 0.1 } } " +
                   more);
}

const char kData[] =
    "layer { name: 'data' type: 'DummyData' top: 'x' top: 'label' dummy_data_param { "
    "shape { dim: 4 dim: 16 dim: 8 dim: 8 } shape { dim: 4 } "
    "data_filler { type: 'gaussian' std: 1 } data_filler { type: 'uniform' max: 5 } } }\n";

// Chains, branches, random numbers, statistics, masks, and layers in place.
std::string BlockNet() {
  return kData + Conv("c0", "x") + Layer("b0", "BatchNorm", {"c0"}, {"b0"}) +
         Layer("s0", "Scale", {"b0"}, {"s0"}, "scale_param { bias_term: true }") +
         Layer("r0", "ReLU", {"s0"}, {"r0"}) + Layer("d0", "Dropout", {"r0"}, {"d0"}) +
         Conv("c1", "d0") + Layer("t1", "TanH", {"c1"}, {"t1"}) +
         Layer("p1", "Pooling", {"t1"}, {"p1"},
               "pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 }") +
         Layer("n1", "LRN", {"p1"}, {"n1"}) + Conv("c2", "t1") +
         Layer("r2", "ReLU", {"c2"}, {"c2"}) + Layer("cat", "Concat", {"n1", "c2"}, {"cat"}) +
         Layer("e", "ELU", {"cat"}, {"e"}) + Conv("c3", "e") +
         Layer("m", "Eltwise", {"c3", "d0"}, {"m"}, "eltwise_param { operation: PROD }") +
         Product("fc", "m", "fc", 5) + Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
}

// All layers, or those that are named.
proto::NetParameter WithRecompute(proto::NetParameter config, const std::string& names = "") {
  for (proto::LayerParameter& layer : *config.mutable_layer()) {
    const bool is_named = names.find(" " + layer.name() + " ") != std::string::npos;
    layer.set_recompute(names.empty() || is_named);
  }
  return config;
}

// What is cheap to compute from what is kept.
const char kCheap[] = " b0 s0 r0 d0 p1 n1 cat ";

class RecomputeTest : public LayerTest {
 protected:
  std::unique_ptr<Net> Make(const proto::NetParameter& config, bool fuse, size_t limit = 0) const {
    NetOptions options;
    options.check_memory = true;
    options.fuse = fuse;
    options.memory_limit = limit;
    return std::make_unique<Net>(config, OpenTestDevice(device()), options);
  }

  static void ExpectSame(Net* net, Net* expected) {
    for (uint64_t step = 0; step < 3; ++step) {
      for (Net* each : {net, expected}) ForwardBackward(*each, step);
      EXPECT_EQ(net->loss().ToHost<float>(), expected->loss().ToHost<float>());
      EXPECT_EQ(net->flat_gradients().ToHost<float>(), expected->flat_gradients().ToHost<float>());
    }
    EXPECT_EQ(net->flat_params().ToHost<float>(), expected->flat_params().ToHost<float>());
  }
};
CREMA_ON_ALL_DEVICES(RecomputeTest);

int CountRecomputed(const Net& net) {
  const auto& layers = net.graph().layers;
  return static_cast<int>(std::count_if(layers.begin(), layers.end(),
                                        [](const LayerNode& node) { return node.recomputes; }));
}

TEST_P(RecomputeTest, GivesTheSame) {
  for (const bool fuse : {false, true}) {
    SCOPED_TRACE(fuse);
    const auto expected = Make(ParseNet(BlockNet()), fuse);
    const auto net = Make(WithRecompute(ParseNet(BlockNet())), fuse);
    EXPECT_EQ(CountRecomputed(*expected), 0);
    EXPECT_GT(CountRecomputed(*net), 6);
    ExpectSame(net.get(), expected.get());
  }
}

TEST_P(RecomputeTest, TakesLessMemory) {
  const auto expected = Make(ParseNet(BlockNet()), false);
  const auto net = Make(WithRecompute(ParseNet(BlockNet()), kCheap), false);
  ExpectSame(net.get(), expected.get());
  EXPECT_LT(net->memory().arena, expected->memory().arena);
}

// No gradient comes to the BatchNorm, which saves nothing, but its top is needed.
class FrozenTrunkTest : public RecomputeTest {
 protected:
  static std::string Text(const std::string& options) {
    return kData + Conv("c0", "x", "param { lr_mult: 0 } param { lr_mult: 0 }") +
           Layer("b0", "BatchNorm", {"c0"}, {"b0"}, options) + Conv("c1", "b0") +
           Product("fc", "c1", "fc", 5) +
           Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
  }
};
CREMA_ON_ALL_DEVICES(FrozenTrunkTest);

// The running sums, which are compared too, count each batch once.
TEST_P(FrozenTrunkTest, MomentsOfTheBatch) {
  const auto expected = Make(ParseNet(Text("")), false);
  const auto net = Make(WithRecompute(ParseNet(Text("")), " b0 "), false);
  EXPECT_EQ(CountRecomputed(*net), 1);
  EXPECT_TRUE(FindNode(*net, "b0").plan.state.empty());
  ExpectSame(net.get(), expected.get());
}

TEST_P(FrozenTrunkTest, StoredMoments) {
  const std::string text = Text("batch_norm_param { use_global_stats: true }");
  const auto expected = Make(ParseNet(text), false);
  const auto net = Make(WithRecompute(ParseNet(text), " b0 "), false);
  EXPECT_EQ(CountRecomputed(*net), 1);
  for (Net* each : {net.get(), expected.get()}) {
    crema::test::SetParam(*each, "b0", 1, RandomLabels(16, 4, 9));
    crema::test::SetParam(*each, "b0", 2, {2});
  }
  ExpectSame(net.get(), expected.get());
}

// A part of a chain, whose inputs are there or are recomputed too.
TEST_P(RecomputeTest, EachLayerAlone) {
  const auto expected = Make(ParseNet(BlockNet()), false);
  const proto::NetParameter config = ParseNet(BlockNet());
  for (int l = 0; l < config.layer_size(); ++l) {
    SCOPED_TRACE(config.layer(l).name());
    proto::NetParameter one = config;
    one.mutable_layer(l)->set_recompute(true);
    const auto net = Make(one, false), again = Make(config, false);
    ExpectSame(net.get(), again.get());
  }
}

TEST_P(RecomputeTest, MeetsALimit) {
  const proto::NetParameter config = ParseNet(BlockNet());
  const auto expected = Make(config, true), least = Make(WithRecompute(config, kCheap), true);
  const size_t limit = (expected->memory().Total() + least->memory().Total()) / 2;
  ASSERT_LT(limit, expected->memory().Total());
  const auto net = Make(config, true, limit);
  EXPECT_LE(net->memory().Total(), limit);
  EXPECT_GT(CountRecomputed(*net), 0);
  ExpectSame(net.get(), expected.get());
  const auto free = Make(config, true, expected->memory().Total());
  EXPECT_EQ(CountRecomputed(*free), 0);
}

// Many layers, of which a few trials find how many are enough: no trial for each.
TEST(RecomputeManyTest, MeetsALimit) {
  std::string text = kData + Conv("c", "x"), at = "c";
  for (int i = 0; i < 300; ++i) {
    const std::string name = Concat("s", i);
    text += i % 2 == 0 ? Layer(name, "Sigmoid", {at}, {name})
                       : Layer(name, "Power", {at}, {name}, "power_param { power: 2 shift: 1 }");
    at = name;
  }
  text += Product("fc", at, "fc", 5) + Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
  const proto::NetParameter config = ParseNet(text);
  CompileOptions options;
  const size_t whole = MemoryOf(CompileNet(config, DeviceKind::kCpu, options)).Total();
  for (const double share : {0.9, 0.75}) {
    options.memory_limit = static_cast<size_t>(share * static_cast<double>(whole));
    const Graph graph = CompileNet(config, DeviceKind::kCpu, options);
    EXPECT_LE(MemoryOf(graph).Total(), options.memory_limit);
    const auto recomputed = std::count_if(graph.layers.begin(), graph.layers.end(),
                                          [](const LayerNode& node) { return node.recomputes; });
    EXPECT_GT(recomputed, 0);
    EXPECT_LT(recomputed, share > 0.8 ? 100 : 200);
  }
}

TEST_P(RecomputeTest, SaysWhereALimitCannotBeMet) {
  ExpectError([this] { Make(ParseNet(BlockNet()), true, 1000); },
              {"memory_limit", "memory_limit leaves 1.0 kB", "smaller batch"});
}

TEST(RecomputeNotesTest, SayWhyNot) {
  const std::string text =
      kData +
      Layer("c", "Convolution", {"x"}, {"c"},
            "recompute: true convolution_param { num_output: 4 kernel_size: 1 }") +
      Layer("t", "TanH", {"c"}, {"c"}, "recompute: true") +
      Layer("d1", "Dropout", {"c"}, {"d1"}, "recompute: true") +
      Layer("d2", "Dropout", {"d1"}, {"d2"}) +
      Layer("d3", "Dropout", {"d2"}, {"d3"}, "recompute: true") +
      Layer("fc", "InnerProduct", {"d3"}, {"fc"}, "inner_product_param { num_output: 5 }") +
      Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"}, "recompute: true");
  NetOptions options;
  options.dtype = DType::kFloat64;  // which no engine takes, so that all is in plain order
  const Net net(ParseNet("force_backward: true " + text), OpenDevice(DeviceKind::kCpu), options);
  const auto note = [&](const char* layer) { return FindNode(net, layer).recompute_note; };
  EXPECT_EQ(note("c"), "a later layer works in place on its top");
  EXPECT_EQ(note("t"), "its bottom is overwritten");
  EXPECT_EQ(note("d1"), "the backward pass does not need its top");
  EXPECT_EQ(note("d3"), "");
  EXPECT_EQ(note("loss"), "its top is kept anyway");
  EXPECT_TRUE(FindNode(net, "d3").recomputes);
  const std::string plan = net.Describe();
  EXPECT_NE(plan.find("recomputed"), std::string::npos);
  EXPECT_NE(plan.find("not recomputed: its bottom is overwritten"), std::string::npos);
}

// Where layers before a change of the memory's order are recomputed, so is that.
TEST(RecomputeNotesTest, AChangeOfTheOrderGoesWithItsLayer) {
  const std::string text =
      kData + Conv("c", "x") + Layer("d", "Dropout", {"c"}, {"d"}, "recompute: true") +
      Product("fc", "d", "fc", 5) + Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
  NetOptions options;
  const Net net(ParseNet(text), OpenDevice(DeviceKind::kCpu), options);
  EXPECT_TRUE(FindNode(net, "d").recomputes);
  for (const LayerNode& node : net.graph().layers) {
    if (node.layer->type() != "(to plain)") continue;
    EXPECT_TRUE(node.recomputes);
  }
}

}  // namespace
}  // namespace crema::test
