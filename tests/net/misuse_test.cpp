// Programs that use the interface wrongly, and layers that throw what is no Error.
#include <new>
#include <stdexcept>

#include "crema/dev/registry.h"
#include "math/vector_ops.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::shared_ptr<Device> Cpu() { return OpenDevice(DeviceKind::kCpu); }

const std::string kText = "name: 'small' " + Input("x", {2, 3}) + Product("p", "x", "p", 4);

TEST(MisuseTest, NoDevice) {
  ExpectError([] { Net(ParseNet(kText), nullptr); }, {"'small'", "without a device", "OpenDevice"});
  ExpectError([] { Context(nullptr); }, {"without a device"});
}

TEST(MisuseTest, NoSuchDevice) {
  ExpectError([] { OpenDevice(DeviceKind::kCpu, 1); }, {"no CPU 1", "index 0"});
  ExpectError([] { OpenDevice(DeviceKind::kFake); }, {"fake GPU", "own tests"});
}

TEST(MisuseTest, NetsOnTwoDevicesCannotShare) {
  const Net owner(ParseNet(kText), Cpu());
  NetOptions params, memory;
  params.share_params_with = &owner;
  memory.share_memory_with = &owner;
  for (const NetOptions& options : {params, memory}) {
    ExpectError([&] { Net(ParseNet("name: 'other' " + kText.substr(14)), Cpu(), options); },
                {"'other'", "'small'", "on another device"});
  }
}

TEST(MisuseTest, NetsOfTwoNumberTypesCannotShare) {
  Net owner(ParseNet(kText), Cpu());
  NetOptions options;
  options.share_params_with = &owner;
  options.dtype = DType::kFloat64;
  ExpectError([&] { Net(ParseNet(kText), owner.context().shared_device(), options); },
              {"float64", "float32", "same dtype"});
}

TEST(MisuseTest, NetsDoNotComputeInIntegers) {
  NetOptions options;
  options.dtype = DType::kInt32;
  ExpectError([&] { Net(ParseNet(kText), Cpu(), options); }, {"'small'", "int32", "float32"});
}

TEST(MisuseTest, KernelsDoNotComputeInIntegers) {
  Context ctx(Cpu());
  const Tensor numbers(ctx.shared_device(), DType::kInt32, {3});
  ExpectError([&] { VectorOpsFor(DeviceKind::kCpu).Fill(ctx, numbers, 0); },
              {"no kernel", "int32"});
}

TEST(MisuseTest, LayersThatAreNotThere) {
  Net net(ParseNet(kText), Cpu());
  for (int layer : {-1, 2}) {
    ExpectError([&] { net.ForwardLayer(layer); }, {"'small'", Concat("number ", layer), "has 2"});
    ExpectError([&] { net.BackwardLayer(layer); }, {"'small'", Concat("number ", layer)});
  }
}

TEST(MisuseTest, InputsOfAnotherSize) {
  Net net(ParseNet(kText), Cpu());
  ExpectError([&] { net.FindBlob("x")->data_tensor().FromHost(std::vector<float>(5)); },
              {"2 3 (6)", "5 values"});
  net.Forward(0);  // the net is as it was
}

TEST(MisuseTest, LayersOfASliceDoNotRunAlone) {
  NetOptions options;
  options.backward = false;
  options.slice_bytes = 1;
  options.processors = 1;
  Net net(ParseNet(Input("x", {4, 8}) + Layer("a", "TanH", {"x"}, {"a"}) +
                       Layer("b", "TanH", {"a"}, {"b"}) + Layer("c", "TanH", {"b"}, {"c"}),
                   proto::TEST),
          Cpu(), options);
  ASSERT_FALSE(net.graph().slices.empty());
  net.BeginPass(0);
  ExpectError([&] { net.ForwardLayer(static_cast<int>(net.graph().slices[0].first)); },
              {"(TanH)", "part of the batch", "slice_bytes"});
}

// Throws where its name says, as a library does that a layer uses.
class ThrowingLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override { return {}; }
  LayerPlan Plan(const PlanInput& input) override {
    Throw("plan");
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    if (name() == "no_tops") plan.tops.clear();
    return plan;
  }
  void Forward(Context&, const BlobList&, const BlobList&) override {
    Throw("forward");
    if (name() == "memory") throw std::bad_alloc();
    if (name() == "error") ::crema::Fail("an axis is too large");
  }
  void Backward(Context&, const BlobList&, const std::vector<bool>&, const BlobList&) override {
    Throw("backward");
  }

 private:
  void Throw(const std::string& place) const {
    if (name() == place) throw std::runtime_error("could not create a primitive");
  }
};
CREMA_REGISTER_LAYER("ThrowingOfTests", ThrowingLayer);

std::unique_ptr<Net> ThrowingNet(const std::string& name) {
  return MakeNet(Input("x", {2, 3}) + Product("p", "x", "p", 4) +
                 Layer(name, "ThrowingOfTests", {"p"}, {"y"}, "loss_weight: 1"));
}

TEST(ForeignExceptionTest, NamesTheLayer) {
  const std::string what = "could not create a primitive";
  ExpectError([] { ThrowingNet("plan"); }, {"layer 'plan' (ThrowingOfTests): it failed: " + what});
  const auto forward = ThrowingNet("forward");
  ExpectError([&] { forward->Forward(0); }, {"layer 'forward' (ThrowingOfTests)", what});
  const auto backward = ThrowingNet("backward");
  backward->Forward(0);
  ExpectError([&] { backward->Backward(); }, {"layer 'backward' (ThrowingOfTests)", what});
}

TEST(ForeignExceptionTest, ErrorsGetTheNameToo) {
  ExpectError([] { ThrowingNet("memory")->Forward(0); },
              {"layer 'memory' (ThrowingOfTests): out of memory"});
  ExpectError([] { ThrowingNet("error")->Forward(0); },
              {"layer 'error' (ThrowingOfTests): an axis is too large"});
}

// Programs find the layer in a field, whoever wrote the sentence, and it is named once.
TEST(ForeignExceptionTest, ErrorsTellTheLayerInAField) {
  const std::string x = Input("x", {2, 3, 4, 4});
  const std::string nets[] = {
      x + Layer("bad", "Convolution", {"x"}, {"y"}),  // its Plan
      x + Layer("bad", "Convolution", {"x"}, {"y"}, "convolution_param { num_output: 1 }"),
      x + Layer("bad", "Softmax", {"x"}, {"y"}, "softmax_param { axis: 9 }"),  // a shape
      x + Layer("bad", "Clip", {"x"}, {"y"}, "clip_param { min: 2 max: 1 }"),  // its maker
      x + Layer("bad", "ReLUU", {"x"}, {"y"}),                                 // the registry
      x + Layer("bad", "ReLU", {"xx"}, {"y"}),                                 // the graph
      x + Layer("bad", "ReLU", {"x"}, {"y", "z"}),
      x + Layer("bad", "Data", {}, {"y"}, "data_param { source: 'none' batch_size: 1 }"),
      x + Layer("bad", "ImageData", {}, {"y"}, "image_data_param { source: 'none' }"),
      x + Product("p", "x", "p", 2) +
          Layer("bad", "InnerProduct", {"p"}, {"y"},
                "inner_product_param { num_output: 2 "
                "weight_filler { type: 'xaviar' } }"),
  };
  for (const std::string& net : nets) {
    try {
      MakeNet(net);
      ADD_FAILURE() << "no error for " << net;
    } catch (const Error& error) {
      const std::string text = error.what(), name = "layer 'bad'";
      EXPECT_EQ(error.layer(), "bad") << text;
      EXPECT_NE(text.find(name), std::string::npos) << text;
      EXPECT_EQ(text.find(name, text.find(name) + 1), std::string::npos) << text;
    }
  }
}

TEST(ForeignExceptionTest, PlansWithoutTops) {
  ExpectError([] { ThrowingNet("no_tops"); }, {"layer 'no_tops'", "1 top,", "correct its Plan"});
}

// An engine that cannot even be asked is passed over.
const EngineRegistration kFaulty(
    "FAULTY_OF_TESTS", "ThrowingOfTests", DeviceKind::kCpu,
    [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<crema::Layer> {
      return std::make_unique<ThrowingLayer>(config, phase);
    },
    [](const EngineQuery&) -> std::string { throw std::runtime_error("no such kernel"); });

// One that can be asked, and then throws.
const LayerRegistration kOwnCode("ThrowingInEngineOfTests", DeviceKind::kCpu,
                                 [](const proto::LayerParameter& config,
                                    Phase phase) -> std::unique_ptr<crema::Layer> {
                                   return std::make_unique<ThrowingLayer>(config, phase);
                                 });
const EngineRegistration kThrowing(
    "FAULTY_OF_TESTS", "ThrowingInEngineOfTests", DeviceKind::kCpu,
    [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<crema::Layer> {
      return std::make_unique<ThrowingLayer>(config, phase);
    },
    [](const EngineQuery&) -> std::string { return ""; });

// Only who is run by an engine is told to try our own code.
TEST(ForeignExceptionTest, ProposesOurOwnCodeForAnEngineThatThrows) {
  ExpectError(
      [] {
        MakeNet(Input("x", {2, 3}) + Layer("plan", "ThrowingInEngineOfTests", {"x"}, {"y"}));
      },
      {"layer 'plan' (ThrowingInEngineOfTests): the library that runs it failed: could not create "
       "a primitive; try engine: CAFFE"});
}

TEST(ForeignExceptionTest, AnEngineThatThrowsIsPassedOver) {
  const auto net = ThrowingNet("fine");
  EXPECT_EQ(FindNode(*net, "fine").engine, "CAFFE");
  EXPECT_EQ(FindNode(*net, "fine").engine_note, "not FAULTY_OF_TESTS: it failed: no such kernel");
}

}  // namespace
}  // namespace crema::test
