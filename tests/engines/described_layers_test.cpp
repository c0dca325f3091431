// Layers that nobody knows but by what they say of themselves: hosts fuse them like ours, with the
// same numbers as without.
#include <gtest/gtest.h>

#include "crema/dev/registry.h"
#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

// y = x > 0 ? x : x / 4. As a ReLU, it tells its gradient from the signs of its result.
class QuarterLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_only_signs = traits.keeps_signs = true;
    return traits;
  }

  std::optional<Pointwise> AsPointwise() const override { return Pointwise::Relu(0.25f); }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }

  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* x = bottom[0]->data<T>();
      T* y = top[0]->mutable_data<T>();
      for (int64_t i = 0; i < top[0]->count(); ++i) y[i] = x[i] > 0 ? x[i] : x[i] * T(0.25);
    });
  }

  void Backward(Context&, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* y = top[0]->data<T>();
      const T* dy = top[0]->diff<T>();
      T* dx = bottom[0]->mutable_diff<T>();
      for (int64_t i = 0; i < top[0]->count(); ++i) dx[i] = y[i] > 0 ? dy[i] : dy[i] * T(0.25);
    });
  }
};
CREMA_REGISTER_LAYER("QuarterOfTests", QuarterLayer);

// y = x * params[1] + params[0], channel by channel: the other way round than Scale has them.
class AffineLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.may_run_in_place = false;
    traits.backward_needs_top_data = false;
    return traits;
  }

  std::optional<ChannelAffine> AsChannelAffine() const override {
    ChannelAffine affine;
    affine.shift = 0;
    affine.scale = 1;
    return affine;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    ParamDecl numbers;
    numbers.shape = Shape{input.shape(0)[1]};
    numbers.filler.type = "gaussian";
    numbers.filler.mean = 1;
    numbers.filler.std = 0.5;
    plan.params = {numbers, numbers};
    return plan;
  }

  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T *shift = param(0).template data<T>(), *scale = param(1).template data<T>();
      const T* x = bottom[0]->data<T>();
      T* y = top[0]->mutable_data<T>();
      ForEachElement(*top[0], [&](int64_t i, int c) { y[i] = x[i] * scale[c] + shift[c]; });
    });
  }

  void Backward(Context&, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* dy = top[0]->diff<T>();
      AddGradients<T>(bottom[0]->data<T>(), *top[0], dy);
      if (propagate_down[0]) {
        const T* scale = param(1).template data<T>();
        T* dx = bottom[0]->mutable_diff<T>();
        ForEachElement(*top[0], [&](int64_t i, int c) { dx[i] = dy[i] * scale[c]; });
      }
    });
  }

 private:
  template <class F>
  static void ForEachElement(const Blob& blob, const F& run) {
    const ChannelView view = ViewChannels(blob.shape(), blob.layout());
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int c = 0; c < view.channels; ++c) {
        for (int i = 0; i < view.inner; ++i) run((o * view.channels + c) * view.inner + i, c);
      }
    }
  }

  template <class T>
  void AddGradients(const T* x, const Blob& top, const T* dy) {
    T* d_shift = param(0).template mutable_diff<T>();
    T* d_scale = param(1).template mutable_diff<T>();
    ForEachElement(top, [&](int64_t i, int c) {
      if (wants_gradient(0)) d_shift[c] += dy[i];
      if (wants_gradient(1)) d_scale[c] += dy[i] * x[i];
    });
  }
};
CREMA_REGISTER_LAYER("AffineOfTests", AffineLayer);

// The plain sum of two, for inference.
class SumLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.min_bottoms = traits.max_bottoms = 2;
    traits.has_backward = false;
    return traits;
  }

  std::optional<WeightedSum> AsWeightedSum() const override { return WeightedSum{{1, 1}}; }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }

  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    const float *a = bottom[0]->data<float>(), *b = bottom[1]->data<float>();
    float* y = top[0]->mutable_data<float>();
    for (int64_t i = 0; i < top[0]->count(); ++i) y[i] = a[i] + b[i];
  }
};
CREMA_REGISTER_LAYER("SumOfTests", SumLayer);

const char kData[] =
    "layer { name: 'data' type: 'DummyData' top: 'x' top: 'label' dummy_data_param { "
    "shape { dim: 3 dim: 16 dim: 9 dim: 7 } shape { dim: 3 } data_filler { type: 'gaussian' std: 1 "
    "} data_filler { type: 'constant' value: 2 } } }\n";

std::string Conv(const std::string& name, const std::string& engine = "ONEDNN") {
  return Layer(name, "Convolution", {"x"}, {name},
               "convolution_param { engine: " + engine +
                   " kernel_size: 3 pad: 1 num_output: 16 weight_filler { type: 'gaussian' std: "
                   "0.1 } bias_filler { type: 'uniform' min: -1 } }");
}

std::string Head() {
  return Product("fc", "y", "fc", 5) + Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
}

std::unique_ptr<Net> Make(const std::string& text, bool fuse, proto::Phase phase = proto::TRAIN,
                          DType dtype = DType::kFloat32) {
  NetOptions options;
  options.fuse = fuse;
  options.dtype = dtype;
  options.backward = phase == proto::TRAIN;
  options.check_memory = true;
  return std::make_unique<Net>(ParseNet(text, phase), OpenTestDevice(DeviceKind::kCpu), options);
}

std::vector<std::string> Absorbed(const Net& net, const std::string& host) {
  std::vector<std::string> names;
  for (int index : FindNode(net, host).absorbed) {
    names.push_back(net.graph().layers[index].layer->name());
  }
  return names;
}

using Names = std::vector<std::string>;

// Loss and gradients; the second step uses memory that was used.
void ExpectSameTraining(Net* a, Net* b, double tolerance) {
  for (uint64_t step = 0; step < 2; ++step) {
    for (Net* net : {a, b}) ForwardBackward(*net, step);
    ExpectNear(a->loss().ToHost<double>(), b->loss().ToHost<double>(), tolerance);
    ExpectNear(a->flat_gradients().ToHost<double>(), b->flat_gradients().ToHost<double>(),
               tolerance);
  }
}

const char kQuarter[] = "relu_param { negative_slope: 0.25 }";

// A stranger that says that it is a ReLU is one, bit for bit.
void ExpectFusesAsRelu(const std::string& before, const std::string& host,
                       const std::string& bottom, DType dtype, double tolerance) {
  const auto text = [&](const std::string& type, const std::string& options) {
    return kData + before + Layer("end", type, {bottom}, {"y"}, options) + Head();
  };
  const std::string stranger = text("QuarterOfTests", "");
  const auto fused = Make(stranger, true, proto::TRAIN, dtype);
  const auto plain = Make(stranger, false, proto::TRAIN, dtype);
  const auto ours = Make(text("ReLU", kQuarter), true, proto::TRAIN, dtype);
  EXPECT_EQ(Absorbed(*fused, host).back(), "end");
  EXPECT_EQ(Absorbed(*fused, host), Absorbed(*ours, host));
  ExpectSameTraining(fused.get(), plain.get(), tolerance);
  ExpectSameTraining(fused.get(), ours.get(), 0);
}

TEST(DescribedLayersTest, AConvolutionAbsorbsAPointwiseStranger) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  ExpectFusesAsRelu(Conv("c"), "c", "c", DType::kFloat32, 1e-5);
}

TEST(DescribedLayersTest, AnInnerProductAbsorbsAPointwiseStranger) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string product = Layer("c", "InnerProduct", {"x"}, {"c"},
                                    "inner_product_param { engine: ONEDNN num_output: 16 "
                                    "weight_filler { type: 'gaussian' std: 0.1 } }");
  ExpectFusesAsRelu(product, "c", "c", DType::kFloat32, 1e-5);
}

TEST(DescribedLayersTest, OurOwnHostsAbsorbAPointwiseStranger) {
  const std::string a = Conv("a", "CAFFE"), b = Conv("b", "CAFFE");
  ExpectFusesAsRelu(a + Layer("host", "BatchNorm", {"a"}, {"n"}), "host", "n", DType::kFloat64,
                    1e-9);
  ExpectFusesAsRelu(a + b + Layer("host", "Eltwise", {"a", "b"}, {"n"}), "host", "n",
                    DType::kFloat64, 1e-9);
  ExpectFusesAsRelu(
      a + Layer("host", "BatchNorm", {"a"}, {"n"}) + Layer("affine", "AffineOfTests", {"n"}, {"s"}),
      "host", "s", DType::kFloat64, 1e-9);
}

TEST(DescribedLayersTest, ABatchNormAbsorbsAnAffineStranger) {
  for (const std::string use : {"false", "true"}) {
    SCOPED_TRACE(use);
    const std::string text = kData + Conv("a", "CAFFE") +
                             Layer("bn", "BatchNorm", {"a"}, {"n"},
                                   "batch_norm_param { use_global_stats: " + use + " }") +
                             Layer("affine", "AffineOfTests", {"n"}, {"y"}) + Head();
    const auto fused = Make(text, true, proto::TRAIN, DType::kFloat64);
    const auto plain = Make(text, false, proto::TRAIN, DType::kFloat64);
    EXPECT_EQ(Absorbed(*fused, "bn"), Names{"affine"});
    for (Net* net : {fused.get(), plain.get()}) {
      SetParam(*net, "bn", 1, std::vector<double>(16, 1.7));
      SetParam(*net, "bn", 2, {2});
    }
    ExpectSameTraining(fused.get(), plain.get(), 1e-9);
  }
}

// A Bias only adds.
TEST(DescribedLayersTest, ABatchNormAbsorbsABias) {
  const std::string text =
      kData + Conv("a", "CAFFE") + Layer("bn", "BatchNorm", {"a"}, {"n"}) +
      Layer("bias", "Bias", {"n"}, {"b"}, "bias_param { filler { type: 'gaussian' } }") +
      Layer("relu", "ReLU", {"b"}, {"y"}) + Head();
  const auto fused = Make(text, true, proto::TRAIN, DType::kFloat64);
  const auto plain = Make(text, false, proto::TRAIN, DType::kFloat64);
  EXPECT_EQ(Absorbed(*fused, "bn"), (Names{"bias", "relu"}));
  ExpectSameTraining(fused.get(), plain.get(), 1e-9);
}

// Into weights and bias; made anew when the numbers change.
TEST(DescribedLayersTest, AConvolutionFoldsAnAffineStranger) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string end = Layer("end", "QuarterOfTests", {"s"}, {"y"}) + Head();
  const std::string norm = Layer("bn", "BatchNorm", {"c"}, {"n"});
  const std::string stranger =
      kData + Conv("c") + norm + Layer("affine", "AffineOfTests", {"n"}, {"s"}) + end;
  const std::string scale =
      kData + Conv("c") + norm +
      Layer("affine", "Scale", {"n"}, {"s"}, "scale_param { bias_term: true }") + end;
  const auto fused = Make(stranger, true, proto::TEST), plain = Make(stranger, false, proto::TEST);
  const auto ours = Make(scale, true, proto::TEST);
  EXPECT_EQ(Absorbed(*fused, "c"), (Names{"bn", "affine", "end"}));
  EXPECT_EQ(Absorbed(*ours, "c"), (Names{"bn", "affine", "end"}));
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const std::vector<double> shifts = RandomValues(16, seed), scales = RandomValues(16, seed + 5);
    for (Net* net : {fused.get(), plain.get(), ours.get()}) {
      SetParam(*net, "bn", 0, RandomValues(16, 3));
      SetParam(*net, "bn", 1, std::vector<double>(16, 1.7));
      SetParam(*net, "bn", 2, {2});
      SetParam(*net, "affine", net == ours.get() ? 1 : 0, shifts);
      SetParam(*net, "affine", net == ours.get() ? 0 : 1, scales);
    }
    const double expected = LossOf(*plain), made = LossOf(*fused);
    EXPECT_NEAR(made, expected, 1e-5 * std::max(1.0, expected));
    EXPECT_EQ(made, LossOf(*ours));
  }
}

TEST(DescribedLayersTest, AConvolutionFoldsAChainOfAffines) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string text =
      kData + Conv("c") +
      Layer("bias", "Bias", {"c"}, {"b"}, "bias_param { filler { type: 'gaussian' } }") +
      Layer("affine", "AffineOfTests", {"b"}, {"a"}) +
      Layer("scale", "Scale", {"a"}, {"y"}, "scale_param { filler { type: 'gaussian' } }") + Head();
  const auto fused = Make(text, true, proto::TEST), plain = Make(text, false, proto::TEST);
  EXPECT_EQ(Absorbed(*fused, "c"), (Names{"bias", "affine", "scale"}));
  const double expected = LossOf(*plain);
  EXPECT_NEAR(LossOf(*fused), expected, 1e-5 * std::max(1.0, expected));
}

TEST(DescribedLayersTest, AConvolutionAddsAStrangersSum) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string text = kData + Conv("other") + Conv("c") +
                           Layer("sum", "SumOfTests", {"other", "c"}, {"s"}) +
                           Layer("end", "QuarterOfTests", {"s"}, {"y"}) + Head();
  const auto fused = Make(text, true, proto::TEST), plain = Make(text, false, proto::TEST);
  EXPECT_EQ(Absorbed(*fused, "c"), (Names{"sum", "end"}));
  const double expected = LossOf(*plain);
  EXPECT_NEAR(LossOf(*fused), expected, 1e-5 * std::max(1.0, expected));
}

}  // namespace
}  // namespace crema::test
