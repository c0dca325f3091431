#include "crema/dev/check_gradients.h"

#include <gtest/gtest.h>

#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"
#include "schema/schema_test_util.h"

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

TEST(CheckGradients, RefusesWhatItCannotCheck) {
  const std::string error = ErrorOf([] {
    CheckGradients("layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 2 } } }");
  });
  EXPECT_TRUE(Contains(error, "needs a loss")) << error;
  GradientCheckOptions options;
  options.inputs["x"] = {1};
  EXPECT_NE(ErrorOf([&] { CheckGradients(NetWith("right"), options); }), "");
}

}  // namespace
}  // namespace crema::test
