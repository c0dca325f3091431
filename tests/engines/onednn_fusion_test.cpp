// Convolutions of oneDNN that do the work of the layers behind them: the same numbers as without,
// to rounding.
#include <gtest/gtest.h>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

const char kData[] =
    "layer { name: 'data' type: 'DummyData' top: 'x' top: 'label' dummy_data_param { "
    "shape { dim: 3 dim: 16 dim: 9 dim: 7 } shape { dim: 3 } data_filler { type: 'gaussian' std: 1 "
    "} "
    "data_filler { type: 'constant' value: 2 } } }\n";

std::string Conv(const std::string& name, const std::string& bottom, const std::string& top,
                 const std::string& more = "") {
  return Layer(
      name, "Convolution", {bottom}, {top},
      "convolution_param { engine: ONEDNN kernel_size: 3 pad: 1 num_output: 16 "
      "weight_filler { type: 'gaussian' std: 0.1 } bias_filler { type: 'uniform' min: -1 } " +
          more + " }");
}

std::string Norm(const std::string& bottom, const std::string& top) {
  return Layer("bn", "BatchNorm", {bottom}, {top});
}

std::string Scale(const std::string& bottom, const std::string& top, bool bias = true) {
  return Layer("scale", "Scale", {bottom}, {top},
               std::string("scale_param { filler { type: 'gaussian' mean: 1 std: 0.5 } ") +
                   (bias ? "bias_term: true bias_filler { type: 'gaussian' std: 0.5 } }" : "}"));
}

std::string Relu(const std::string& name, const std::string& bottom, const std::string& top,
                 const std::string& slope = "0") {
  return Layer(name, "ReLU", {bottom}, {top}, "relu_param { negative_slope: " + slope + " }");
}

// Of `bottom` and what another convolution makes of x.
std::string Sum(const std::string& bottom, const std::string& top) {
  return Layer("sum", "Eltwise", {"other", bottom}, {top});
}

std::string Head() {
  return Product("fc", "y", "fc", 5) + Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
}

struct FusedCase {
  const char* name;
  std::string middle;  // from blob x to blob y, with a convolution c
  std::vector<std::string> absorbed;
};

std::vector<std::string> Absorbed(const Net& net, const std::string& layer) {
  std::vector<std::string> names;
  for (int index : FindNode(net, layer).absorbed) {
    names.push_back(net.graph().layers[index].layer->name());
  }
  return names;
}

std::unique_ptr<Net> Make(const std::string& text, bool fuse, proto::Phase phase) {
  NetOptions options;
  options.fuse = fuse;
  options.backward = phase == proto::TRAIN;
  options.check_memory = true;
  return std::make_unique<Net>(ParseNet(text, phase), OpenTestDevice(DeviceKind::kCpu), options);
}

void SetStatistics(Net* net, double variance) {
  SetParam(*net, "bn", 0, RandomValues(16, 3));
  SetParam(*net, "bn", 1, std::vector<double>(16, variance));
  SetParam(*net, "bn", 2, {2});
}

// A BatchNorm's gradient is what is left of larger sums, hence 3e-5.
void ExpectSameGradients(const std::string& text, Net* fused) {
  const auto plain = Make(text, false, proto::TRAIN);
  for (uint64_t step = 0; step < 2; ++step) {  // the second uses memory that was used
    for (Net* net : {fused, plain.get()}) ForwardBackward(*net, step);
    ExpectNear(fused->loss().ToHost<double>(), plain->loss().ToHost<double>(), 1e-5);
    ExpectNear(fused->flat_gradients().ToHost<double>(), plain->flat_gradients().ToHost<double>(),
               3e-5);
  }
}

TEST(OnednnFusionTest, TrainsAsWithoutFusion) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string two = Conv("other", "x", "other");
  const std::vector<FusedCase> cases = {
      {"InPlace", Conv("c", "x", "y") + Relu("relu", "y", "y"), {"relu"}},
      {"Apart", Conv("c", "x", "c") + Relu("relu", "c", "y", "0.2"), {"relu"}},
      {"Below", Conv("b", "x", "b") + Conv("c", "b", "c") + Relu("relu", "c", "y"), {"relu"}},
      {"NegativeSlope", Conv("c", "x", "c") + Relu("relu", "c", "y", "-0.2"), {}},
      {"SumBehind", two + Conv("c", "x", "c") + Relu("relu", "c", "r") + Sum("r", "y"), {"relu"}},
      {"Sum", two + Conv("c", "x", "c") + Sum("c", "y"), {}},
      {"WrittenOver",
       Conv("c", "x", "c") + Relu("relu", "c", "y") + Norm("y", "y") + Scale("y", "y"),
       {}},
      {"BatchStatistics", Conv("c", "x", "c") + Norm("c", "n") + Scale("n", "y"), {}},
  };
  for (const FusedCase& each : cases) {
    SCOPED_TRACE(each.name);
    const std::string text = kData + each.middle + Head();
    const auto fused = Make(text, true, proto::TRAIN);
    EXPECT_EQ(Absorbed(*fused, "c"), each.absorbed);
    ExpectSameGradients(text, fused.get());
  }
}

// The concatenation, which has the values anyway, does the backward half of the ReLUs.
TEST(OnednnFusionTest, AConcatTakesTheReluBackward) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string branches = Conv("a", "x", "a") + Relu("relu_a", "a", "a") +
                               Conv("b", "x", "b") + Relu("relu_b", "b", "rb", "0.2") +
                               Conv("c", "x", "c") +
                               Layer("join", "Concat", {"a", "rb", "c"}, {"y"});
  const auto needs_top = [](const Net& net, const std::string& layer) {
    return FindNode(net, layer).traits.backward_needs_top_data;
  };
  const std::string text = kData + branches + Head();
  const auto fused = Make(text, true, proto::TRAIN);
  EXPECT_TRUE(needs_top(*fused, "join"));
  EXPECT_FALSE(needs_top(*fused, "a") || needs_top(*fused, "b"));
  ExpectSameGradients(text, fused.get());

  // Not where its own result is written over, or where another layer reads a branch.
  const std::string over = kData + branches + Norm("y", "y") + Head();
  const auto written = Make(over, true, proto::TRAIN);
  EXPECT_FALSE(needs_top(*written, "join"));
  EXPECT_TRUE(needs_top(*written, "a") && needs_top(*written, "b"));
  ExpectSameGradients(over, written.get());
  const std::string two =
      kData + branches + Head() + Layer("other", "Reduction", {"rb"}, {"o"}, "loss_weight: 0.1");
  const auto read_twice = Make(two, true, proto::TRAIN);
  EXPECT_TRUE(needs_top(*read_twice, "b"));
  EXPECT_FALSE(needs_top(*read_twice, "a"));
  ExpectSameGradients(two, read_twice.get());
}

TEST(OnednnFusionTest, AMaximumTakesTheReluBackward) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto text = [](const std::string& pool) {
    return kData + Conv("c", "x", "c") + Relu("relu", "c", "c", "0.1") +
           Layer("pool", "Pooling", {"c"}, {"y"},
                 "pooling_param { kernel_size: 3 stride: 2 pool: " + pool + " }") +
           Head();
  };
  const auto max = Make(text("MAX"), true, proto::TRAIN);
  EXPECT_FALSE(FindNode(*max, "c").traits.backward_needs_top_data);
  EXPECT_TRUE(FindNode(*max, "pool").traits.backward_needs_top_data);
  ExpectSameGradients(text("MAX"), max.get());
  const auto average = Make(text("AVE"), true, proto::TRAIN);
  EXPECT_TRUE(FindNode(*average, "c").traits.backward_needs_top_data);
  ExpectSameGradients(text("AVE"), average.get());
}

std::vector<FusedCase> TestCases() {
  const std::string two = Conv("other", "x", "other");
  return {
      {"Relu", Conv("c", "x", "y") + Relu("relu", "y", "y", "0.1"), {"relu"}},
      {"NormInPlace",
       Conv("c", "x", "y") + Norm("y", "y") + Scale("y", "y") + Relu("relu", "y", "y"),
       {"bn", "scale", "relu"}},
      {"NormApart",
       Conv("c", "x", "c", "bias_term: false") + Norm("c", "n") + Scale("n", "s", false) +
           Relu("relu", "s", "y"),
       {"bn", "scale", "relu"}},
      {"NormAlone", Conv("c", "x", "c", "group: 4") + Norm("c", "y"), {"bn"}},
      {"EachChannel",
       Conv("c", "x", "c", "group: 16") + Norm("c", "n") + Scale("n", "y"),
       {"bn", "scale"}},
      {"Residual",
       two + Conv("c", "x", "c") + Norm("c", "n") + Scale("n", "s") + Sum("s", "t") +
           Relu("relu", "t", "y"),
       {"bn", "scale", "sum", "relu"}},
      {"ResidualInPlace",
       two + Conv("c", "x", "c") + Sum("c", "y") + Relu("relu", "y", "y", "0.1"),
       {"sum", "relu"}},
      {"ResidualOfItsInput",
       Conv("b", "x", "b") + Conv("c", "b", "c") + Layer("sum", "Eltwise", {"c", "b"}, {"y"}),
       {"sum"}},
      {"SumOfLater", Conv("c", "x", "c") + two + Sum("c", "y"), {}},
      {"SumOfThree",
       two + Conv("c", "x", "c") + Layer("sum", "Eltwise", {"other", "c", "x"}, {"y"}),
       {}},
      {"Difference",
       two + Conv("c", "x", "c") +
           Layer("sum", "Eltwise", {"other", "c"}, {"y"}, "eltwise_param { coeff: 1 coeff: -1 }"),
       {}},
      {"SumInPlace",
       two + Conv("c", "x", "c") + Layer("sum", "Eltwise", {"other", "c"}, {"other"}) +
           Relu("relu", "other", "y"),
       {}},
      {"AddendNeededLater",
       two + Conv("c", "x", "c") + Sum("c", "s") + Layer("more", "Eltwise", {"s", "other"}, {"y"}),
       {"sum"}},
      {"TwoSums",
       two + Conv("c", "x", "c") + Sum("c", "s") + Layer("more", "Eltwise", {"s", "x"}, {"y"}),
       {"sum"}},
      {"ScaleAlone",
       Conv("c", "x", "c") + Scale("c", "s") + Relu("relu", "s", "y"),
       {"scale", "relu"}},
      {"SecondRelu",
       Conv("c", "x", "c") + Relu("r", "c", "r", "0.3") + Relu("relu", "r", "y"),
       {"r"}},
      {"ScaleBehindRelu", Conv("c", "x", "c") + Relu("relu", "c", "r") + Scale("r", "y"), {"relu"}},
  };
}

TEST(OnednnFusionTest, TestsAsWithoutFusion) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const FusedCase& each : TestCases()) {
    SCOPED_TRACE(each.name);
    const std::string text = kData + each.middle + Head();
    const auto fused = Make(text, true, proto::TEST), plain = Make(text, false, proto::TEST);
    EXPECT_EQ(Absorbed(*fused, "c"), each.absorbed);
    const bool has_norm = each.middle.find("BatchNorm") != std::string::npos;
    for (const double variance : {1.7, 0.3}) {  // the second time weights are made anew
      for (Net* net : {fused.get(), plain.get()}) {
        if (has_norm) SetStatistics(net, variance);
      }
      const double expected = LossOf(*plain);
      EXPECT_NEAR(LossOf(*fused), expected, 1e-5 * std::max(1.0, expected));
    }
  }
}

// Which are multiplied as matrices.
TEST(OnednnFusionTest, TestsImagesOfOnePixelAsWithoutFusion) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto conv = [](const std::string& name) {
    return Layer(name, "Convolution", {"x"}, {name},
                 "convolution_param { engine: ONEDNN kernel_size: 1 num_output: 16 "
                 "weight_filler { type: 'gaussian' std: 0.3 } bias_filler { type: 'uniform' } }");
  };
  const std::string text =
      Layer("data", "DummyData", {}, {"x", "label"},
            "dummy_data_param { shape { dim: 3 dim: 16 dim: 1 dim: 1 } shape { dim: 3 } "
            "data_filler { type: 'gaussian' std: 1 } data_filler { type: 'constant' value: 2 } }") +
      conv("other") + conv("c") + Norm("c", "n") + Scale("n", "s") + Sum("s", "t") +
      Relu("relu", "t", "y", "0.1") + Head();
  const auto fused = Make(text, true, proto::TEST), plain = Make(text, false, proto::TEST);
  EXPECT_EQ(Absorbed(*fused, "c"), (std::vector<std::string>{"bn", "scale", "sum", "relu"}));
  for (const double variance : {1.7, 0.3}) {
    for (Net* net : {fused.get(), plain.get()}) SetStatistics(net, variance);
    const double expected = LossOf(*plain);
    EXPECT_NEAR(LossOf(*fused), expected, 1e-5 * std::max(1.0, expected));
  }
}

// As in fine-tuning: layers that do not learn, in phase TRAIN, in front of others that do.
TEST(OnednnFusionTest, FoldsFrozenLayersInTraining) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const std::string bias : {"true", "false"}) {
    SCOPED_TRACE(bias);
    const std::string frozen = "param { lr_mult: 0 } ";
    const std::string text =
        kData +
        Layer("c", "Convolution", {"x"}, {"y"},
              frozen + (bias == "true" ? frozen : "") +
                  "convolution_param { engine: ONEDNN kernel_size: 3 pad: 1 num_output: 16 "
                  "bias_term: " +
                  bias + " weight_filler { type: 'gaussian' std: 0.1 } }") +
        Layer("bn", "BatchNorm", {"y"}, {"y"}, "batch_norm_param { use_global_stats: true }") +
        Layer("scale", "Scale", {"y"}, {"y"},
              frozen + frozen +
                  "scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 0.5 } "
                  "bias_filler { type: 'gaussian' std: 0.5 } }") +
        Relu("relu", "y", "y") + Head();
    const auto fused = Make(text, true, proto::TRAIN), plain = Make(text, false, proto::TRAIN);
    EXPECT_EQ(Absorbed(*fused, "c"), (std::vector<std::string>{"bn", "scale", "relu"}));
    for (Net* net : {fused.get(), plain.get()}) {
      SetStatistics(net, 1.7);
      ForwardBackward(*net);
    }
    const double expected = plain->loss().ToHost<double>()[0];
    EXPECT_NEAR(fused->loss().ToHost<double>()[0], expected, 1e-5 * std::max(1.0, expected));
    ExpectNear(fused->flat_gradients().ToHost<double>(), plain->flat_gradients().ToHost<double>(),
               3e-5);
  }
}

// Statistics that change, while all else stays.
TEST(OnednnFusionTest, ATestNetSeesTheStatisticsOfItsTrainNet) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string text = kData + Conv("c", "x", "y") + Norm("y", "y") + Head();
  const auto device = OpenDevice(DeviceKind::kCpu);
  NetOptions options;
  const auto train = std::make_unique<Net>(ParseNet(text), device, options);
  options.backward = false;
  options.share_params_with = train.get();
  Net test(ParseNet(text, proto::TEST), device, options);
  ASSERT_EQ(Absorbed(test, "c").size(), 1u);
  double before = LossOf(test);
  for (uint64_t step = 0; step < 3; ++step) {
    ForwardBackward(*train, step);
    const double now = LossOf(test);
    EXPECT_NE(now, before);
    before = now;
  }
  const auto plain = Make(text, false, proto::TEST);
  plain->flat_params().FromHost(train->flat_params().ToHost<double>());
  const double expected = LossOf(*plain);
  EXPECT_NEAR(before, expected, 1e-5 * std::max(1.0, expected));
}

TEST(OnednnFusionTest, Reshapes) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string text = Input("x", {2, 16, 6, 6}) + TestCases()[1].middle +
                           Layer("pool", "Pooling", {"y"}, {"pool"},
                                 "pooling_param { pool: AVE global_pooling: true }") +
                           Layer("end", "Reduction", {"pool"}, {"end"}, "loss_weight: 1");
  const auto fused = Make(text, true, proto::TEST), plain = Make(text, false, proto::TEST);
  for (Net* net : {fused.get(), plain.get()}) {
    net->Reshape({{"x", Shape{3, 16, 9, 4}}});
    SetBlob(*net, "x", RandomValues(3 * 16 * 36));
    SetStatistics(net, 0.7);
  }
  ASSERT_EQ(Absorbed(*fused, "c").size(), 3u);
  EXPECT_NEAR(LossOf(*fused), LossOf(*plain), 1e-4);
}

}  // namespace
}  // namespace crema::test
