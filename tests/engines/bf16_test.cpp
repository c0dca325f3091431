// Products of numbers rounded to bfloat16, added up in 32 bits.
#include <gtest/gtest.h>

#include <cmath>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

// 8 bits of mantissa: a factor is wrong by 2^-9 of itself at most, a product by 2^-8, of which
// little is left where many are added up.
constexpr double kTolerance = 6e-3;

std::string Convolution(const std::string& options) {
  return "type: 'Convolution' convolution_param { weight_filler { type: 'gaussian' std: 0.5 } "
         "bias_filler { type: 'uniform' min: -1 } " +
         options + " }";
}

std::string Product(const std::string& options) {
  return "type: 'InnerProduct' inner_product_param { weight_filler { type: 'gaussian' std: 0.5 } "
         "bias_filler { type: 'uniform' min: -1 } " +
         options + " }";
}

RunnerOptions BFloat16(Phase phase = Phase::kTrain) {
  RunnerOptions options;
  options.engine = "BF16";
  options.layout = Layout::kChannelsLast;
  options.dtype = DType::kFloat32;
  options.phase = phase;
  return options;
}

std::string WhyNoBFloat16() {
  if (!HasEngine("BF16")) return "this build has no oneDNN";
  try {
    LayerRunner runner(Convolution("num_output: 16 kernel_size: 3"), {{2, 16, 8, 8}}, BFloat16());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class BFloat16Test : public testing::Test {
 protected:
  void SetUp() override {
    static const std::string why_not = WhyNoBFloat16();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }
};

TEST_F(BFloat16Test, ConvolvesWithinItsRounding) {
  const std::vector<EngineCase> cases = {
      {"num_output: 32 kernel_size: 3 pad: 1", {4, 16, 12, 12}},
      {"num_output: 20 kernel_size: 5", {4, 1, 28, 28}},
      {"num_output: 24 kernel_size: 1 stride: 2 bias_term: false", {2, 40, 7, 7}},
      {"num_output: 64 kernel_size: 7 pad: 3 stride: 2", {1, 3, 30, 31}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 2", {2, 32, 6, 6}},
      {"num_output: 7 kernel_size: 3 pad: 1", {2, 5, 6, 6}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
      ExpectSameAsCaffe(Convolution(c.options), {c.bottom}, BFloat16(phase), kTolerance);
    }
  }
}

// Padding around images that are smaller than the window.
TEST_F(BFloat16Test, ConvolvesSmallImages) {
  const std::vector<EngineCase> cases = {
      {"num_output: 32 kernel_size: 3 pad: 1", {4, 16, 1, 1}},
      {"num_output: 16 kernel_size: 3 pad: 1", {2, 32, 2, 9}},
      {"num_output: 24 kernel_size: 5 pad: 2 stride: 2", {3, 5, 2, 3}},
      {"num_output: 32 kernel_size: 3 pad: 2 dilation: 2 bias_term: false", {2, 16, 4, 3}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 2", {2, 32, 1, 2}},
      {"num_output: 16 kernel_size: 7 pad: 3", {2, 3, 4, 4}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
      ExpectSameAsCaffe(Convolution(c.options), {c.bottom}, BFloat16(phase), kTolerance);
    }
  }
}

// Sizes that go up, down, and below the window.
TEST_F(BFloat16Test, TakesOtherSizesAsAFreshNet) {
  const auto text = [](int batch, int size) {
    return Input("x", {batch, 16, size, size}) +
           Layer("c", "Convolution", {"x"}, {"c"},
                 "convolution_param { engine: BF16 num_output: 32 kernel_size: 5 pad: 2 "
                 "weight_filler { type: 'gaussian' std: 0.1 } }") +
           Layer("l", "Reduction", {"c"}, {"l"},
                 "loss_weight: 1 reduction_param { operation: SUMSQ }");
  };
  const auto run = [](Net* net, int64_t count) {
    SetBlob(*net, "x", RandomValues(count, 3));
    ForwardBackward(*net);
    return std::make_pair(ReadBlob(*net, "c"), ReadParamDiff(*net, "c", 0));
  };
  MakeNetOptions options;
  options.dtype = DType::kFloat32;
  const auto net = MakeNet(text(2, 8), options);
  EXPECT_EQ(FindNode(*net, "c").engine, "ONEDNN/BF16");
  for (const auto& [batch, size] :
       std::vector<std::pair<int, int>>{{4, 12}, {1, 3}, {2, 8}, {3, 1}, {2, 20}}) {
    SCOPED_TRACE(Concat(batch, " ", size));
    net->Reshape({{"x", Shape{batch, 16, size, size}}});
    const auto fresh = MakeNet(text(batch, size), options);
    const int64_t count = int64_t{16} * batch * size * size;
    const auto [top, gradient] = run(net.get(), count);
    const auto [fresh_top, fresh_gradient] = run(fresh.get(), count);
    ExpectClose(top, fresh_top, 1e-5, "top");
    ExpectClose(gradient, fresh_gradient, 1e-5, "gradient");
  }
}

TEST_F(BFloat16Test, MultipliesWithinItsRounding) {
  const std::vector<EngineCase> cases = {
      {"engine: BF16 num_output: 32", {40, 100}},
      {"engine: BF16 num_output: 5", {3, 16, 4, 4}},
      {"engine: BF16 num_output: 48 transpose: true bias_term: false", {8, 70}},
      {"engine: BF16 num_output: 10 axis: 2", {2, 3, 50}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
      RunnerOptions options = BFloat16(phase);
      options.layout = Layout::kPlain;
      ExpectSameAsCaffe(Product(c.options), {c.bottom}, options, kTolerance);
    }
  }
}

// Small whole numbers are bfloat16 as they are; others are not.
TEST_F(BFloat16Test, RoundsFactorsAndNothingElse) {
  const std::string text = Convolution("num_output: 16 kernel_size: 3 bias_term: false");
  const auto difference = [&](const std::vector<double>& weights) {
    RunnerOptions own;
    own.dtype = DType::kFloat32;
    LayerRunner expected(text, {{2, 16, 8, 8}}, own), actual(text, {{2, 16, 8, 8}}, BFloat16());
    std::vector<double> whole = RandomLabels(2 * 16 * 64, 200, 1);
    for (LayerRunner* runner : {&expected, &actual}) {
      runner->SetBottom(0, whole);
      runner->SetParam(0, weights);
      runner->Forward();
    }
    double worst = 0;
    const std::vector<double> a = actual.Top(), b = expected.Top();
    for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    return worst;
  };
  EXPECT_EQ(difference(RandomLabels(16 * 16 * 9, 100, 2)), 0);
  std::vector<double> tenths = RandomLabels(16 * 16 * 9, 100, 2);
  for (double& weight : tenths) weight /= 10;
  EXPECT_GT(difference(tenths), 1);
}

proto::NetParameter SmallNet(const std::string& head) {
  return ParseNet(
      head + Input("x", {4, 16, 8, 8}) +
      Layer("c", "Convolution", {"x"}, {"c"},
            "convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "
            "'xavier' } }") +
      Layer("named", "Convolution", {"c"}, {"named"},
            "convolution_param { engine: CAFFE num_output: 16 kernel_size: 3 }") +
      Layer("p", "Pooling", {"c"}, {"p"}, "pooling_param { kernel_size: 2 stride: 2 }"));
}

std::string EngineOf(const proto::NetParameter& config, const std::string& layer) {
  NetOptions options;
  return FindNode(Net(config, OpenDevice(DeviceKind::kCpu), options), layer).engine;
}

TEST_F(BFloat16Test, IsTakenWhereTheNetWantsIt) {
  EXPECT_NE(EngineOf(SmallNet(""), "c"), "ONEDNN/BF16");
  EXPECT_EQ(EngineOf(SmallNet("precision: BF16 "), "c"), "ONEDNN/BF16");
  EXPECT_EQ(EngineOf(SmallNet("precision: BF16 "), "named"), "CAFFE");
  EXPECT_EQ(EngineOf(SmallNet("precision: BF16 "), "p"), "ONEDNN");
  EXPECT_EQ(EngineOf(SmallNet("engine: 'BF16' "), "c"), "ONEDNN/BF16");
  EXPECT_EQ(EngineOf(SmallNet("engine: 'ONEDNN' precision: BF16 "), "c"), "ONEDNN");
}

TEST(NoBFloat16Test, SaysWhy) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  NetOptions options;
  options.dtype = DType::kFloat64;
  const Net net(SmallNet("precision: BF16 "), OpenDevice(DeviceKind::kCpu), options);
  EXPECT_EQ(FindNode(net, "c").engine, "CAFFE");
  EXPECT_NE(FindNode(net, "c").engine_note.find("float32 only"), std::string::npos);
}

}  // namespace
}  // namespace crema::test
