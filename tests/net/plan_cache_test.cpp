// Plans of shapes that come back.
#include "net/plan_cache.h"

#include <map>

#include "crema/dev/registry.h"
#include "net/net_test_util.h"
#include "net/passes.h"
#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

std::map<std::string, int>& PlansMade() {
  static std::map<std::string, int> made;  // by the layer's name
  return made;
}

// Adds the number of the columns that it was planned for. One whose name begins with "slow" can
// save its plans, which say that they take 100 bytes.
class CountingLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override { return LayerTraits::PerSample(); }
  LayerPlan Plan(const PlanInput& input) override {
    ++PlansMade()[name()];
    columns_ = -1;
    if (input.shape(0)[1] == 13) Fail("refuses 13 columns");
    columns_ = input.shape(0)[1];
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    plan.state.emplace_back(Shape{columns_});
    return plan;
  }
  SavedPlan SavePlan() override {
    if (name().rfind("slow", 0) != 0) return {};
    return {[this, columns = columns_] { columns_ = columns; }, 100};
  }
  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    CREMA_CHECK(state(0).count() == columns_, "was planned for other shapes");
    const auto* x = bottom[0]->data<double>();
    auto* y = top[0]->mutable_data<double>();
    for (int64_t i = 0; i < bottom[0]->count(); ++i) y[i] = x[i] + static_cast<double>(columns_);
  }

 private:
  int64_t columns_ = 0;
};

CREMA_REGISTER_LAYER("CountingOfTests", CountingLayer);

std::string CountingNet(const Shape& shape) {
  return Input("x", {static_cast<int>(shape[0]), static_cast<int>(shape[1])}) +
         Layer("slow", "CountingOfTests", {"x"}, {"y"}) +
         Layer("quick", "CountingOfTests", {"y"}, {"z"});
}

std::unique_ptr<Net> MakeCounting(const Shape& shape) {
  NetOptions options;
  options.dtype = DType::kFloat64;
  options.backward = false;
  options.slice_bytes = 0;  // which depend on the machine
  return std::make_unique<Net>(ParseNet(CountingNet(shape), proto::TEST),
                               OpenDevice(DeviceKind::kCpu), options);
}

std::vector<double> RunOn(Net* net, const Shape& shape) {
  net->Reshape({{"x", shape}});
  SetBlob(*net, "x", RandomValues(shape.count(), 3));
  net->Forward(0);
  return ReadBlob(*net, "z");
}

void ExpectAsFresh(Net* net, const Shape& shape) {
  const auto fresh = MakeCounting(shape);
  EXPECT_EQ(RunOn(net, shape), RunOn(fresh.get(), shape)) << shape.ToString();
}

TEST(PlanCacheTest, PlansEachShapeOnce) {
  const auto net = MakeCounting({2, 3});
  PlansMade().clear();
  for (int round = 0; round < 4; ++round) {
    for (int columns : {5, 4, 3}) RunOn(net.get(), Shape{2, columns});
  }
  EXPECT_EQ(PlansMade()["slow"], 2);    // 3 was there
  EXPECT_EQ(PlansMade()["quick"], 12);  // saves nothing
}

TEST(PlanCacheTest, DoesNotPlanForTheSameShape) {
  const auto net = MakeCounting({2, 3});
  PlansMade().clear();
  for (int round = 0; round < 3; ++round) RunOn(net.get(), Shape{2, 3});
  EXPECT_TRUE(PlansMade().empty());
}

TEST(PlanCacheTest, GivesWhatAFreshNetGives) {
  const auto net = MakeCounting({2, 3});
  for (int round = 0; round < 2; ++round) {
    for (int columns : {5, 4, 3, 7}) ExpectAsFresh(net.get(), Shape{2, columns});
  }
}

// More shapes than it keeps, and then those that it has forgotten.
TEST(PlanCacheTest, GivesTheSameWhenItIsFull) {
  const auto net = MakeCounting({1, 1});
  const int many = static_cast<int>(PlanCache::kMostPlans) + 20;
  for (int columns = 14; columns < 14 + many; ++columns) RunOn(net.get(), Shape{2, columns});
  EXPECT_EQ(net->graph().plan_cache->plans(), PlanCache::kMostPlans);
  for (int columns : {14, 15, 14 + many - 1, 14, 20}) ExpectAsFresh(net.get(), Shape{2, columns});
}

// What Plan changes before it throws is set right.
TEST(PlanCacheTest, ARefusedShapeLeavesThePlansAlone) {
  const auto net = MakeCounting({2, 3});
  for (int round = 0; round < 2; ++round) {
    EXPECT_THROW(net->Reshape({{"x", Shape{2, 13}}}), Error);
    ExpectAsFresh(net.get(), Shape{2, 3});
    ExpectAsFresh(net.get(), Shape{2, 4});
  }
}

LayerNode MakeNode(const std::string& name) {
  Graph graph =
      CompileNet(ParseNet(Input("x", {2, 3}) + Layer(name, "CountingOfTests", {"x"}, {"y"})),
                 DeviceKind::kCpu, {});
  return std::move(graph.layers[1]);
}

void PlanFor(int64_t columns, LayerNode* node) {
  PlanLayer(PlanInput::Of({Shape{2, columns}}, DType::kFloat32), node);
}

TEST(PlanCacheTest, ForgetsWhatWasUsedTheLongestTimeAgo) {
  PlanCache cache(2, 1000);
  LayerNode node = MakeNode("slow");
  const auto has = [&](int64_t columns) {
    return cache.Restore(0, PlanInput::Of({Shape{2, columns}}, DType::kFloat32), &node);
  };
  for (int64_t columns : {1, 2}) {
    PlanFor(columns, &node);
    cache.Keep(0, node);
    cache.Keep(0, node);  // is there
  }
  EXPECT_EQ(cache.plans(), 2u);
  EXPECT_EQ(cache.bytes(), 200u);
  EXPECT_TRUE(has(1));
  EXPECT_EQ(node.plan.tops[0].shape, (Shape{2, 1}));
  PlanFor(3, &node);
  cache.Keep(0, node);
  EXPECT_FALSE(has(2));
  EXPECT_EQ(node.plan.tops[0].shape, (Shape{2, 3}));
  EXPECT_TRUE(has(1));
  EXPECT_TRUE(has(3));
  EXPECT_EQ(cache.bytes(), 200u);
}

TEST(PlanCacheTest, ItsBytesAreOfAllLayers) {
  PlanCache cache(10, 250);
  LayerNode one = MakeNode("slow"), other = MakeNode("slow_too");
  cache.Keep(0, one);
  cache.Keep(3, other);
  PlanFor(7, &other);
  cache.Keep(3, other);
  EXPECT_EQ(cache.plans(), 2u);
  EXPECT_EQ(cache.bytes(), 200u);
  EXPECT_FALSE(cache.Restore(0, one.planned, &one));
  EXPECT_TRUE(cache.Restore(3, other.planned, &other));
  PlanCache none(10, 99);
  none.Keep(0, one);
  EXPECT_EQ(none.plans(), 0u);
}

TEST(PlanCacheTest, ALayerWithoutAPlanIsNotKept) {
  PlanCache cache;
  LayerNode node = MakeNode("slow");
  EXPECT_THROW(PlanFor(13, &node), Error);
  cache.Keep(0, node);
  EXPECT_EQ(cache.plans(), 0u);
  LayerNode quick = MakeNode("quick");
  cache.Keep(0, quick);
  EXPECT_EQ(cache.plans(), 0u);
}

// Slices plan for other shapes and other threads than the whole batch; engines keep weights in an
// order of their own for each.
TEST(PlanCacheTest, SlicedNetsGiveWhatFreshOnesGive) {
  const auto net_for = [](int batch) {
    std::string text = SlicedText();
    text.erase(0, text.find("layer"));  // any engine
    NetOptions options;
    static_cast<CompileOptions&>(options) = SlicedOptions();
    auto net =
        std::make_unique<Net>(ParseNet(text, proto::TEST), OpenDevice(DeviceKind::kCpu), options);
    if (batch != 8) net->Reshape({{"x", Shape{batch, 2, 16, 16}}});
    return net;
  };
  const auto run = [](Net* net, int batch) {
    SetBlob(*net, "x", RandomValues(int64_t{batch} * 2 * 16 * 16, 5));
    net->Forward(0);
    return ReadBlob(*net, "s");
  };
  const auto net = net_for(8);
  for (int batch : {8, 1, 4, 8, 4, 1, 8}) {
    SCOPED_TRACE(batch);
    net->Reshape({{"x", Shape{batch, 2, 16, 16}}});
    EXPECT_EQ(run(net.get(), batch), run(net_for(batch).get(), batch));
  }
}

// Convolutions, LRN and pooling by the fastest engines, forward and backward.
TEST(PlanCacheTest, TrainingNetsGiveWhatFreshOnesGive) {
  const auto make = [](int size) {
    const std::string text = Input("x", {2, 16, size, size}) +
                             Layer("c", "Convolution", {"x"}, {"c"},
                                   "convolution_param { num_output: 32 kernel_size: 3 pad: 1 "
                                   "weight_filler { type: 'gaussian' std: 0.2 } }") +
                             Layer("r", "ReLU", {"c"}, {"c"}) + Layer("n", "LRN", {"c"}, {"n"}) +
                             Layer("m", "Pooling", {"n"}, {"m"},
                                   "pooling_param { pool: MAX kernel_size: 2 stride: 2 }") +
                             Layer("d", "Deconvolution", {"m"}, {"d"},
                                   "convolution_param { num_output: 32 kernel_size: 3 pad: 1 "
                                   "weight_filler { type: 'gaussian' std: 0.2 } }") +
                             Layer("l", "Reduction", {"d"}, {"l"},
                                   "loss_weight: 1 reduction_param { operation: SUMSQ }");
    MakeNetOptions options;
    options.dtype = DType::kFloat32;
    return MakeNet(text, options);
  };
  const auto run = [](Net* net, int size) {
    SetBlob(*net, "x", RandomValues(int64_t{2} * 16 * size * size, 7));
    ForwardBackward(*net);
    return net->flat_gradients().ToHost<double>();
  };
  const auto net = make(8);
  for (int size : {8, 12, 8, 6, 12, 6}) {
    SCOPED_TRACE(size);
    net->Reshape({{"x", Shape{2, 16, size, size}}});
    EXPECT_EQ(run(net.get(), size), run(make(size).get(), size));
  }
}

// A product takes another number of rows.
TEST(PlanCacheTest, ProductsGiveWhatFreshOnesGive) {
  const auto make = [](int rows) {
    MakeNetOptions options;
    options.dtype = DType::kFloat32;
    options.phase = proto::TEST;
    return MakeNet(Input("x", {rows, 64}) + Product("p", "x", "y", 48), options);
  };
  const auto run = [](Net* net, int rows) {
    SetBlob(*net, "x", RandomValues(int64_t{rows} * 64, 9));
    net->Forward(0);
    return ReadBlob(*net, "y");
  };
  const auto net = make(32);
  for (int rows : {32, 40, 32, 64, 40, 32}) {
    SCOPED_TRACE(rows);
    net->Reshape({{"x", Shape{rows, 64}}});
    EXPECT_EQ(run(net.get(), rows), run(make(rows).get(), rows));
  }
}

}  // namespace
}  // namespace crema::test
