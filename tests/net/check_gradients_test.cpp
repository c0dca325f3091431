#include "crema/dev/check_gradients.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"
#include "crema/net.h"
#include "schema/schema_test_util.h"
#include "schema/upgrade.h"

namespace crema::test {
namespace {

template <class T>
void Square(const Context& ctx, const T* in, T* out, int64_t n) {
  ForEach(ctx, n, [=] HD(int64_t i) { out[i] = in[i] * in[i]; });
}

template <class T>
void TimesSlope(const Context& ctx, const T* in, const T* from, T* to, int64_t n, T factor) {
  ForEach(ctx, n, [=] HD(int64_t i) { to[i] = factor * in[i] * from[i]; });
}

// y = x^2. Its gradient is right if the layer's name is not "wrong".
class SquareOfTests : public Layer {
 public:
  using Layer::Layer;
  LayerTraits traits() const override { return {}; }
  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }
  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(
        bottom[0]->dtype(), T,
        Square(ctx, bottom[0]->data<T>(), top[0]->mutable_data<T>(), bottom[0]->count()));
  }
  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(
        bottom[0]->dtype(), T,
        TimesSlope(ctx, bottom[0]->data<T>(), top[0]->diff<T>(), bottom[0]->mutable_diff<T>(),
                   bottom[0]->count(), static_cast<T>(name() == "wrong" ? 2.001 : 2)));
  }
};

CREMA_REGISTER_LAYER("SquareOfTests", SquareOfTests);

template <class T>
void Halve(const Context& ctx, const Blob& x, const Blob& y, T slope) {
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  ForEach(ctx, x.count(), [=] HD(int64_t i) { out[i] = in[i] > 0 ? in[i] : slope * in[i]; });
}

template <class T>
void HalveBackward(const Context& ctx, const Blob& x, const Blob& y, T slope) {
  const T* out = y.data<T>();
  const T* dy = y.diff<T>();
  T* dx = x.mutable_diff<T>();
  ForEach(ctx, x.count(), [=] HD(int64_t i) { dx[i] = out[i] > 0 ? dy[i] : slope * dy[i]; });
}

// y = x > 0 ? x : x / 2, as it says, so that others may do its work. The gradient of a layer named
// "backward" is wrong, and what one named "description" says of itself.
class HalvingOfTests : public Layer {
 public:
  using Layer::Layer;
  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_only_signs = true;
    traits.keeps_signs = true;
    return traits;
  }
  std::optional<Pointwise> AsPointwise() const override {
    return Pointwise::Relu(name() == "description" ? 0.25f : 0.5f);
  }
  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }
  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         Halve<T>(ctx, *bottom[0], *top[0], static_cast<T>(0.5)));
  }
  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    const double slope = name() == "backward" ? 0.4 : 0.5;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         HalveBackward<T>(ctx, *bottom[0], *top[0], static_cast<T>(slope)));
  }
};

CREMA_REGISTER_LAYER("HalvingOfTests", HalvingOfTests);

// The sum absorbs the layer of that name.
std::string FusingNetWith(const std::string& name) {
  return "layer { name: 'in' type: 'Input' top: 'a' top: 'b' top: 't'"
         "  input_param { shape { dim: 4 dim: 5 } } }"
         "layer { name: 'sum' type: 'Eltwise' bottom: 'a' bottom: 'b' top: 'sum' }"
         "layer { name: '" +
         name +
         "' type: 'HalvingOfTests' bottom: 'sum' top: 'y' }"
         "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'y' bottom: 't' }";
}

std::string NetWith(const std::string& name) {
  return "layer { name: 'in' type: 'Input' top: 'x' top: 't'"
         "  input_param { shape { dim: 2 dim: 3 } } }"
         "layer { name: '" +
         name +
         "' type: 'SquareOfTests' bottom: 'x' top: 'y' }"
         "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'y' bottom: 't' }";
}

TEST(CheckGradients, AcceptsRightOnes) {
  EXPECT_EQ(ErrorOf([] { CheckGradients(NetWith("right")); }), "");
}

TEST(CheckGradients, NamesTheFirstWrongOne) {
  const std::string error = ErrorOf([] { CheckGradients(NetWith("wrong")); });
  EXPECT_TRUE(Contains(error, "the gradient of 'x' is wrong at element ")) << error;
}

TEST(CheckGradients, ChecksParametersAndLeavesKinksOut) {
  GradientCheckOptions options;
  options.inputs["label"] = {2, 0};
  options.inputs["x"] = {0, 1, -1, 0, 0.5, 2};  // a ReLU has no slope at 0
  EXPECT_EQ(ErrorOf([&] {
              CheckGradients(
                  "layer { name: 'in' type: 'Input' top: 'x' top: 'label'"
                  "  input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }"
                  "layer { name: 'relu' type: 'ReLU' bottom: 'x' top: 'y' }"
                  "layer { name: 'fc' type: 'InnerProduct' bottom: 'y' top: 'fc' "
                  "  inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }"
                  "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'fc' bottom: 'label' }",
                  options);
            }),
            "");
}

// A layer whose work another one does in the net is run all the same.
TEST(CheckGradients, FindsAWrongBackwardOfALayerThatFuses) {
  proto::NetParameter config;
  ReadNetText(FusingNetWith("right"), "a test", &config);
  config.mutable_state()->set_phase(proto::TRAIN);
  config.set_force_backward(true);
  NetOptions as_usual;
  as_usual.dtype = DType::kFloat64;
  const Net net(config, OpenDevice(DeviceKind::kCpu), as_usual);
  bool fuses = false;
  for (const LayerNode& node : net.graph().layers) fuses = fuses || node.absorbed_by >= 0;
  ASSERT_TRUE(fuses);  // or the rest would test nothing
  EXPECT_EQ(ErrorOf([] { CheckGradients(FusingNetWith("right")); }), "");
  const std::string error = ErrorOf([] { CheckGradients(FusingNetWith("backward")); });
  EXPECT_TRUE(Contains(error, "the gradient of 'a' is wrong at element ")) << error;
  EXPECT_TRUE(Contains(error, "correct the layer's Backward")) << error;
}

TEST(CheckGradients, FindsAWrongDescription) {
  const std::string error = ErrorOf([] { CheckGradients(FusingNetWith("description")); });
  EXPECT_TRUE(Contains(error,
                       "where other layers do the work of layer 'description' (HalvingOfTests); "
                       "let what AsPointwise"))
      << error;
}

TEST(CheckGradients, NeedsALossThatAGradientFlowsFrom) {
  const std::string input =
      "layer { name: 'in' type: 'Input' top: 'x' top: 't' "
      "  input_param { shape { dim: 2 dim: 3 } } }";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"layer { name: 'square' type: 'SquareOfTests' bottom: 'x' top: 'y' }", "found no loss"},
      {"layer { name: 'loss' type: 'EuclideanLoss' bottom: 'x' bottom: 't' loss_weight: 0 }",
       "found no loss"},
      {"layer { name: 'square' type: 'SquareOfTests' bottom: 'x' top: 'y' } "
       "layer { name: 'step' type: 'Threshold' bottom: 'y' top: 'z' loss_weight: 1 }",
       "found no gradient to check"},
      {"layer { name: 'one' type: 'Power' bottom: 'x' top: 'y' loss_weight: 1 "
       "  power_param { scale: 0 shift: 1 } }",
       "found no gradient to check"},
  };
  for (const auto& each : cases) {
    const std::string error = ErrorOf([&] { CheckGradients(input + each.first); });
    EXPECT_TRUE(Contains(error, each.second)) << each.first << ": " << error;
  }
}

TEST(CheckGradients, DoesNotLeaveAWholeBlobOut) {
  GradientCheckOptions options;
  options.inputs["x"] = {0, 0, 0};
  options.inputs["t"] = {1, 2, 3};
  const std::string error = ErrorOf([&] {
    CheckGradients(
        "layer { name: 'in' type: 'Input' top: 'x' top: 't' input_param { shape { dim: 3 } } }"
        "layer { name: 'relu' type: 'ReLU' bottom: 'x' top: 'y' }"
        "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'y' bottom: 't' }",
        options);
  });
  EXPECT_TRUE(Contains(error, "could check no element of 'x': at all 3")) << error;
}

TEST(CheckGradients, RefusesOptionsThatMakeNoSense) {
  using Options = GradientCheckOptions;
  const double nan = std::nan("");
  const std::vector<std::pair<std::function<void(Options*)>, std::string>> cases = {
      {[](Options* options) { options->elements = 0; }, "option elements is 0"},
      {[](Options* options) { options->elements = -1; }, "option elements is -1"},
      {[](Options* options) { options->step = 0; }, "option step is 0"},
      {[&](Options* options) { options->step = nan; }, "option step is nan"},
      {[](Options* options) { options->tolerance = -1; }, "option tolerance is -1"},
      {[&](Options* options) { options->tolerance = nan; }, "option tolerance is nan"},
      {[](Options* options) { options->inputs["z"] = {1}; },
       "option inputs: 'z' is no input of the net; name one of 'x', 't'"},
      {[](Options* options) { options->inputs["x"] = {1}; }, "option inputs: 'x' has 1 value, but"},
      {[&](Options* options) { options->inputs["x"] = {1, 2, nan, 4, 5, 6}; },
       "option inputs: 'x' is nan at element 2"},
  };
  for (const auto& each : cases) {
    Options options;
    each.first(&options);
    const std::string error = ErrorOf([&] { CheckGradients(NetWith("right"), options); });
    EXPECT_TRUE(Contains(error, each.second)) << error;
  }
}

}  // namespace
}  // namespace crema::test
