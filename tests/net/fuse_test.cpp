// Layers that do the work of others: the same numbers as without, to rounding.
#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "net/passes.h"

namespace crema::test {
namespace {

const char kData[] =
    "layer { name: 'data' type: 'DummyData' top: 'x' top: 'label' dummy_data_param { "
    "shape { dim: 4 dim: 3 dim: 7 dim: 5 } shape { dim: 4 } data_filler { type: 'gaussian' mean: 2 "
    "std: 3 } data_filler { type: 'uniform' max: 5 } } }\n";

std::string Conv(const std::string& name, const std::string& bottom, const std::string& top,
                 const std::string& more = "") {
  return Layer(name, "Convolution", {bottom}, {top},
               "convolution_param { kernel_size: 3 pad: 1 num_output: 6 weight_filler { type: "
               "'gaussian' std: 0.3 } } " +
                   more);
}

std::string Scale(const std::string& bottom, const std::string& top, const std::string& more = "") {
  return Layer("scale", "Scale", {bottom}, {top},
               "scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 0.5 } "
               "bias_filler { type: 'gaussian' std: 0.5 } } " +
                   more);
}

std::string Head(const std::string& bottom) {
  return Product("fc", bottom, "fc", 5) +
         Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
}

const char kLeaky[] = "relu_param { negative_slope: 0.2 }";

struct FusedCase {
  const char* name;
  std::string middle;  // from blob c to blob y
  std::vector<std::string> absorbed;
};

std::vector<FusedCase> Cases() {
  const std::string in_place = Layer("bn", "BatchNorm", {"y"}, {"y"});
  const std::string stored = "batch_norm_param { use_global_stats: true } ";
  return {
      {"InPlace",
       Conv("c", "x", "y") + in_place + Scale("y", "y") + Layer("relu", "ReLU", {"y"}, {"y"}),
       {"scale", "relu"}},
      {"Apart",
       Conv("c", "x", "c") + Layer("bn", "BatchNorm", {"c"}, {"n"}) + Scale("n", "s") +
           Layer("relu", "ReLU", {"s"}, {"y"}, kLeaky),
       {"scale", "relu"}},
      {"HalfInPlace",
       Conv("c", "x", "n") + Layer("bn", "BatchNorm", {"n"}, {"n"}) + Scale("n", "y") +
           Layer("relu", "ReLU", {"y"}, {"y"}),
       {"scale", "relu"}},
      {"NoRelu", Conv("c", "x", "y") + in_place + Scale("y", "y"), {"scale"}},
      {"NoScale", Conv("c", "x", "y") + in_place + Layer("relu", "ReLU", {"y"}, {"y"}), {"relu"}},
      {"FrozenScale",
       Conv("c", "x", "y") + in_place +
           Scale("y", "y", "param { lr_mult: 0 } param { lr_mult: 1 }") +
           Layer("relu", "ReLU", {"y"}, {"y"}),
       {"scale", "relu"}},
      {"StoredStatistics",
       Conv("c", "x", "y") + Layer("bn", "BatchNorm", {"y"}, {"y"}, stored) + Scale("y", "y") +
           Layer("relu", "ReLU", {"y"}, {"y"}),
       {"scale", "relu"}},
      {"NothingLearnedBelow",
       Conv("c", "x", "c", "param { lr_mult: 0 } param { lr_mult: 0 }") +
           Layer("bn", "BatchNorm", {"c"}, {"y"}) + Scale("y", "y") +
           Layer("relu", "ReLU", {"y"}, {"y"}),
       {"scale", "relu"}},
      {"OnData", Layer("bn", "BatchNorm", {"x"}, {"y"}) + Scale("y", "y"), {"scale"}},
      {"FlatRows",
       Product("p", "x", "y", 6) + in_place + Scale("y", "y") + Layer("relu", "ReLU", {"y"}, {"y"}),
       {"scale", "relu"}},
  };
}

std::vector<std::string> Absorbed(const Net& net, const std::string& layer) {
  std::vector<std::string> names;
  for (int index : FindNode(net, layer).absorbed) {
    names.push_back(net.graph().layers[index].layer->name());
  }
  return names;
}

class FuseTest : public LayerTest {
 protected:
  std::unique_ptr<Net> Make(const std::string& text, bool fuse, DType dtype = DType::kFloat64,
                            proto::Phase phase = proto::TRAIN) const {
    NetOptions options;
    options.fuse = fuse;
    options.dtype = dtype;
    options.check_memory = true;
    return std::make_unique<Net>(ParseNet(text, phase), OpenTestDevice(device()), options);
  }

  // Training, with a fixed rate.
  static void Update(Net* net) {
    std::vector<double> values = net->flat_params().ToHost<double>();
    const std::vector<double> gradients = net->flat_gradients().ToHost<double>();
    for (size_t i = 0; i < values.size(); ++i) values[i] -= 0.01 * gradients[i];
    net->flat_params().FromHost(values);
  }

  // Mean, variance and their weight.
  static void SetStatistics(Net* net) {
    const auto channels = static_cast<int64_t>(ReadParam(*net, "bn", 0).size());
    test::SetParam(*net, "bn", 0, RandomValues(channels, 3));
    test::SetParam(*net, "bn", 1, std::vector<double>(static_cast<size_t>(channels), 1.7));
    test::SetParam(*net, "bn", 2, {2});
  }

  static void ExpectSameTraining(Net* fused, Net* plain, double tolerance) {
    for (uint64_t step = 0; step < 20; ++step) {
      for (Net* net : {fused, plain}) {
        ForwardBackward(*net, step);
        if (step == 0) continue;
        Update(net);
      }
      ExpectNear(fused->loss().ToHost<double>(), plain->loss().ToHost<double>(), tolerance);
      ExpectNear(fused->flat_gradients().ToHost<double>(), plain->flat_gradients().ToHost<double>(),
                 tolerance);
    }
    ExpectNear(fused->flat_params().ToHost<double>(), plain->flat_params().ToHost<double>(),
               tolerance);
  }
};
CREMA_ON_ALL_DEVICES(FuseTest);

TEST_P(FuseTest, TrainsAsWithoutFusion) {
  for (const FusedCase& each : Cases()) {
    SCOPED_TRACE(each.name);
    const std::string text = kData + each.middle + Head("y");
    const auto fused = Make(text, true), plain = Make(text, false);
    EXPECT_EQ(Absorbed(*fused, "bn"), each.absorbed);
    EXPECT_TRUE(Absorbed(*plain, "bn").empty());
    for (Net* net : {fused.get(), plain.get()}) SetStatistics(net);
    ExpectSameTraining(fused.get(), plain.get(), 1e-9);
  }
}

TEST_P(FuseTest, AndInSinglePrecision) {
  const std::string text = kData + Cases()[0].middle + Head("y");
  const auto fused = Make(text, true, DType::kFloat32), plain = Make(text, false, DType::kFloat32);
  ExpectSameTraining(fused.get(), plain.get(), 2e-4);
}

TEST_P(FuseTest, TestsAsWithoutFusion) {
  for (const FusedCase& each : Cases()) {
    SCOPED_TRACE(each.name);
    const std::string text = kData + each.middle + Head("y");
    const auto fused = Make(text, true, DType::kFloat64, proto::TEST);
    const auto plain = Make(text, false, DType::kFloat64, proto::TEST);
    for (Net* net : {fused.get(), plain.get()}) SetStatistics(net);
    EXPECT_EQ(Absorbed(*fused, "bn"), each.absorbed);
    EXPECT_NEAR(LossOf(*fused), LossOf(*plain), 1e-12);
  }
}

TEST_P(FuseTest, ASumTakesTheRelu) {
  const std::string two = kData + Conv("a", "x", "a") + Conv("b", "x", "b");
  const auto sum = [](const std::vector<std::string>& bottoms, const std::string& top,
                      const std::string& options = "") {
    return Layer("sum", "Eltwise", bottoms, {top}, "eltwise_param { " + options + " }");
  };
  const std::string weights = "coeff: 1 coeff: -0.5";
  for (const std::string& middle :
       {sum({"a", "b"}, "y") + Layer("relu", "ReLU", {"y"}, {"y"}),
        sum({"a", "b"}, "s", weights) + Layer("relu", "ReLU", {"s"}, {"y"}, kLeaky),
        sum({"a", "b"}, "a", weights) + Layer("relu", "ReLU", {"a"}, {"y"}, kLeaky)}) {
    SCOPED_TRACE(middle);
    const auto fused = Make(two + middle + Head("y"), true);
    const auto plain = Make(two + middle + Head("y"), false);
    EXPECT_EQ(Absorbed(*fused, "sum"), std::vector<std::string>{"relu"});
    ExpectSameTraining(fused.get(), plain.get(), 1e-9);
  }
  // In place, with two readers of the result.
  const std::string residual = sum({"a", "b"}, "y") + Layer("relu", "ReLU", {"y"}, {"y"}) +
                               Layer("other", "Reduction", {"y"}, {"other"}, "loss_weight: 0.1");
  const auto fused = Make(two + residual + Head("y"), true);
  EXPECT_EQ(Absorbed(*fused, "sum"), std::vector<std::string>{"relu"});
  ExpectSameTraining(fused.get(), Make(two + residual + Head("y"), false).get(), 1e-9);
  const std::string relu = Layer("relu", "ReLU", {"s"}, {"y"});
  const std::string negative =
      Layer("relu", "ReLU", {"s"}, {"y"}, "relu_param { negative_slope: -1 }");
  for (const std::string& middle :
       {sum({"a", "b", "a"}, "s") + relu, sum({"a", "b"}, "s", "operation: PROD") + relu,
        sum({"a", "b"}, "s", "operation: MAX") + relu, sum({"a", "b"}, "s") + negative}) {
    EXPECT_TRUE(Absorbed(*Make(two + middle + Head("y"), true), "sum").empty()) << middle;
  }
}

TEST_P(FuseTest, GradientsAreThoseOfTheLoss) {
  const auto net = Make(
      Input("x", {3, 2, 3, 2}) + Input("label", {3}) + Product("p", "x", "p", 6) +
          Layer("r", "Reshape", {"p"}, {"y"}, "reshape_param { shape { dim: 0 dim: 3 dim: 2 } }") +
          Layer("bn", "BatchNorm", {"y"}, {"n"}) + Scale("n", "s") +
          Layer("relu", "ReLU", {"s"}, {"y2"}, kLeaky) + Head("y2"),
      true);
  ASSERT_EQ(Absorbed(*net, "bn").size(), 2u);
  SetBlob(*net, "x", RandomValues(36));
  SetBlob(*net, "label", {0, 4, 2});
  CheckParamGradients(*net);
}

TEST_P(FuseTest, OnlyASoleReaderIsAbsorbed) {
  const std::string before = kData + Conv("c", "x", "c") + Layer("bn", "BatchNorm", {"c"}, {"n"});
  const auto two = Make(before + Scale("n", "y") + Head("y") +
                            Layer("other", "Reduction", {"n"}, {"other"}, "loss_weight: 0.1"),
                        true);
  EXPECT_TRUE(Absorbed(*two, "bn").empty());
  const auto output = Make(before + Head("x") + Layer("end", "Power", {"n"}, {"end"}), true);
  EXPECT_TRUE(Absorbed(*output, "bn").empty());
}

TEST_P(FuseTest, OtherScalesStay) {
  const std::string before = kData + Conv("c", "x", "c") + Layer("bn", "BatchNorm", {"c"}, {"n"});
  for (const char* options : {"scale_param { axis: 2 }", "scale_param { num_axes: 2 }"}) {
    const auto net =
        Make(before + Layer("scale", "Scale", {"n"}, {"y"}, options) + Head("y"), true);
    EXPECT_TRUE(Absorbed(*net, "bn").empty()) << options;
  }
}

// Who keeps all blobs sees those between, unless they are one blob anyhow.
TEST_P(FuseTest, KeptBlobsAreNotLost) {
  NetOptions options;
  options.keep_blobs = true;
  for (const FusedCase& each : Cases()) {
    const Net net(ParseNet(kData + each.middle + Head("y")), OpenTestDevice(device()), options);
    for (const BlobNode& blob : net.graph().blobs) EXPECT_NE(net.FindBlob(blob.name), nullptr);
  }
  const Net apart(ParseNet(kData + Cases()[1].middle + Head("y")), OpenTestDevice(device()),
                  options);
  EXPECT_TRUE(Absorbed(apart, "bn").empty());
  const Net in_place(ParseNet(kData + Cases()[0].middle + Head("y")), OpenTestDevice(device()),
                     options);
  EXPECT_EQ(Absorbed(in_place, "bn").size(), 2u);
}

// The user sets the values of an input, so a layer that runs in place on it stays alone.
TEST_P(FuseTest, InputsKeepTheirBlob) {
  const auto net = Make(
      Input("x", {4, 3, 2, 2}) + Layer("bn", "BatchNorm", {"x"}, {"x"}) + Scale("x", "y"), true);
  EXPECT_TRUE(Absorbed(*net, "bn").empty());
}

TEST_P(FuseTest, ReshapesAsWithoutFusion) {
  const std::string text = Input("x", {2, 3, 6, 6}) + Cases()[0].middle +
                           Layer("pool", "Pooling", {"y"}, {"pool"},
                                 "pooling_param { pool: AVE global_pooling: true }") +
                           Layer("end", "Reduction", {"pool"}, {"end"}, "loss_weight: 1");
  const auto fused = Make(text, true), plain = Make(text, false);
  for (Net* net : {fused.get(), plain.get()}) {
    net->Reshape({{"x", Shape{3, 3, 9, 4}}});
    SetBlob(*net, "x", RandomValues(3 * 3 * 36));
    ForwardBackward(*net);
  }
  ExpectNear(fused->loss().ToHost<double>(), plain->loss().ToHost<double>(), 1e-12);
  ExpectNear(fused->flat_gradients().ToHost<double>(), plain->flat_gradients().ToHost<double>(),
             1e-10);
  const std::string plan = fused->Describe();
  for (const char* part : {"does 'scale' too, does 'relu' too", "done by 'bn'"}) {
    EXPECT_NE(plan.find(part), std::string::npos) << plan;
  }
}

}  // namespace
}  // namespace crema::test
