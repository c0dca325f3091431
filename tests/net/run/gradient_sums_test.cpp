// Sums of gradients begin anew after ClearGradients: with zeros, or with what layers write there.
#include "net/run/gradient_sums.h"

#include <cmath>

#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

const char* const kWindow =
    "num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: 'gaussian' std: 0.3 } ";

// Layers that write their gradients and some that add to zeros; two share weights, one has two
// bottoms, one is frozen.
std::string Text(const std::string& engine) {
  const std::string shared = "param { name: 'w' } param { name: 'b' }";
  const auto window = [](const std::string& more) {
    return "convolution_param { " + (kWindow + more) + " }";
  };
  // Whose gradients are products.
  const auto pixel = [](const std::string& more) {
    return "convolution_param { num_output: 2048 kernel_size: 1 bias_term: false "
           "weight_filler { type: 'gaussian' std: 0.3 } " +
           more + " }";
  };
  return "engine: '" + engine + "' " + Input("x", {2, 16, 6, 6}) +
         Layer("c", "Convolution", {"x"}, {"c"}, window("")) +
         Layer("norm", "BatchNorm", {"c"}, {"c"}) + Layer("scale", "Scale", {"c"}, {"c"}) +
         Layer("d", "Deconvolution", {"c", "x"}, {"d", "dx"}, window("")) +
         Layer("frozen", "Convolution", {"d"}, {"f"}, "param { lr_mult: 0 } " + window("")) +
         Layer("one", "Convolution", {"f"}, {"o1"}, pixel("")) +
         Layer("step", "Convolution", {"f"}, {"o2"}, pixel("stride: 2")) +
         Layer("flat", "Flatten", {"o2"}, {"o3"}) + Product("s", "o3", "s", 8) +
         Layer("pool", "Pooling", {"o1"}, {"o"}, "pooling_param { pool: AVE kernel_size: 3 }") +
         Layer("grouped", "Convolution", {"dx"}, {"g"}, window("group: 2")) +
         Product("p", "o", "p", 8, shared) + Product("q", "o", "q", 8, shared) +
         Product("r", "g", "r", 8) + Layer("sum", "Eltwise", {"p", "q", "r", "s"}, {"sum"}) +
         Layer("loss", "Reduction", {"sum"}, {"loss"},
               "loss_weight: 1 reduction_param { operation: SUMSQ }");
}

std::vector<double> Gradients(const Net& net) { return net.flat_gradients().ToHost<double>(); }

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected,
                const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0;
  for (double value : expected) largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 1e-5 * largest) << what << ", element " << i;
  }
}

std::unique_ptr<Net> Make(const std::string& engine) {
  NetOptions options;
  options.check_memory = true;  // what is not cleared is not a number
  auto net = std::make_unique<Net>(ParseNet(Text(engine)), OpenDevice(DeviceKind::kCpu), options);
  SetBlob(*net, "x", RandomValues(2 * 16 * 36, 3));
  return net;
}

TEST(ClearGradientsTest, TheSumBeginsAnew) {
  for (const std::string engine : {"DEFAULT", "CAFFE"}) {
    SCOPED_TRACE(engine);
    const auto net = Make(engine);
    net->Forward(0);
    net->Backward();  // to the zeros of a new net
    const std::vector<double> once = Gradients(*net);
    for (int round = 0; round < 2; ++round) {
      ForwardBackward(*net);
      ExpectNear(Gradients(*net), once, "once");
    }
    std::vector<double> twice = once;
    for (double& value : twice) value *= 2;
    net->Forward(0);
    net->Backward();
    ExpectNear(Gradients(*net), twice, "twice");
  }
}

TEST(ClearGradientsTest, ThatOfNoImagesIsZero) {
  const auto net = Make("DEFAULT");
  net->Reshape({{"x", {0, 16, 6, 6}}});
  ForwardBackward(*net);
  EXPECT_EQ(Gradients(*net), std::vector<double>(net->flat_gradients().count(), 0));
}

// The first two layers add to their gradients, the products write theirs.
class GradientSumsTest : public testing::Test {
 protected:
  // What becomes of gradients that all are 1.
  void Begin(bool poison) {
    const std::vector<double> ones(parameters_.gradients().count(), 1);
    parameters_.gradients().FromHost(ones);
    sums_.Begin(ctx_, poison);
  }
  double First(const std::string& layer, int index) const {
    const int param = graph_.layers[LayerOf(graph_, layer)].params[index];
    return parameters_.blob(param).diff_tensor().ToHost<double>()[0];
  }

  Context ctx_{OpenDevice(DeviceKind::kCpu)};
  Graph graph_ =
      CompileNet(ParseNet("engine: 'CAFFE' " + Input("x", {2, 3}) +
                          Layer("s", "Scale", {"x"}, {"s"}, "scale_param { bias_term: true }") +
                          Product("p", "s", "p", 3, "param { name: 'w' }") +
                          Product("q", "p", "q", 3, "param { name: 'w' }") +
                          Layer("loss", "Reduction", {"q"}, {"loss"}, "loss_weight: 1")),
                 DeviceKind::kCpu, {});
  NetParameters parameters_{graph_, ctx_, nullptr};
  GradientSums sums_{graph_, parameters_};
};

TEST_F(GradientSumsTest, ClearsWhatIsAddedToAndLeavesWhatIsWritten) {
  Begin(false);
  for (int index : {0, 1}) EXPECT_EQ(First("s", index), 0);
  for (const char* layer : {"p", "q"}) {
    for (int index : {0, 1}) EXPECT_EQ(First(layer, index), 1) << layer << index;
  }
}

TEST_F(GradientSumsTest, MayPoisonWhatIsWritten) {
  Begin(true);
  for (int index : {0, 1}) EXPECT_EQ(First("s", index), 0);
  for (const char* layer : {"p", "q"}) {
    for (int index : {0, 1}) EXPECT_TRUE(std::isnan(First(layer, index))) << layer << index;
  }
}

}  // namespace
}  // namespace crema::test
