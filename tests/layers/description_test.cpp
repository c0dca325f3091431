// What layers say that they compute is what they compute.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

double ValueOf(const Pointwise& f, double x) {
  switch (f.kind) {
    case Pointwise::Kind::kRelu: return x > 0 ? x : x * f.slope;
    case Pointwise::Kind::kElu: return x > 0 ? x : f.alpha * (std::exp(x) - 1);
    case Pointwise::Kind::kSigmoid: return 1 / (1 + std::exp(-x));
    case Pointwise::Kind::kTanh: return std::tanh(x);
    case Pointwise::Kind::kClip: return std::min(std::max(x, double{f.low}), double{f.high});
    case Pointwise::Kind::kPower: return std::pow(f.shift + f.scale * x, f.power);
  }
  return std::nan("");
}

class DescriptionTest : public LayerTest {
 protected:
  RunnerOptions On(Phase phase = Phase::kTrain) const {
    RunnerOptions options;
    options.device = device();
    options.phase = phase;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(DescriptionTest);

TEST_P(DescriptionTest, PointwiseLayersDoWhatTheySay) {
  const std::vector<std::pair<std::string, Pointwise::Kind>> cases = {
      {"type: 'ReLU'", Pointwise::Kind::kRelu},
      {"type: 'ReLU' relu_param { negative_slope: 0.2 }", Pointwise::Kind::kRelu},
      {"type: 'ELU' elu_param { alpha: 0.7 }", Pointwise::Kind::kElu},
      {"type: 'Sigmoid'", Pointwise::Kind::kSigmoid},
      {"type: 'TanH'", Pointwise::Kind::kTanh},
      {"type: 'Clip' clip_param { min: -0.5 max: 0.8 }", Pointwise::Kind::kClip},
      {"type: 'Power' power_param { power: 2 scale: 1.5 shift: 0.3 }", Pointwise::Kind::kPower},
  };
  for (const auto& [text, kind] : cases) {
    SCOPED_TRACE(text);
    LayerRunner runner(text, {{3, 5}}, On());
    const std::optional<Pointwise> f = runner.layer().AsPointwise();
    ASSERT_TRUE(f.has_value());
    EXPECT_EQ(f->kind, kind);
    std::vector<double> expected;
    for (double x : runner.Bottom()) expected.push_back(ValueOf(*f, x));
    runner.Forward();
    ExpectNear(runner.Top(), expected, 1e-6);
  }
}

std::vector<double> ParamOr(const LayerRunner& runner, int index, double otherwise) {
  return index < 0 ? std::vector<double>(16, otherwise) : runner.Param(index);
}

TEST_P(DescriptionTest, AffineLayersDoWhatTheySay) {
  for (const std::string text :
       {"type: 'BatchNorm' batch_norm_param { use_global_stats: true eps: 0.01 }",
        "type: 'Scale' scale_param { bias_term: true }", "type: 'Scale'", "type: 'Bias'"}) {
    SCOPED_TRACE(text);
    LayerRunner runner(text, {{2, 16}}, On(Phase::kTest));
    const std::optional<ChannelAffine> f = runner.layer().AsChannelAffine();
    ASSERT_TRUE(f.has_value());
    for (int p = 0; p < runner.params(); ++p) {
      runner.SetParam(p, std::vector<double>(runner.Param(p).size(), 0.5 + p));
    }
    const double share = f->weight < 0 ? 1 : 1 / runner.Param(f->weight)[0];
    const auto mean = ParamOr(runner, f->mean, 0), variance = ParamOr(runner, f->variance, 0);
    const auto scale = ParamOr(runner, f->scale, 1), shift = ParamOr(runner, f->shift, 0);
    std::vector<double> expected = runner.Bottom();
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t c = i % 16;
      if (f->HasStatistics()) {
        expected[i] = (expected[i] - mean[c] * share) / std::sqrt(variance[c] * share + f->eps);
      }
      expected[i] = expected[i] * scale[c] + shift[c];
    }
    runner.Forward();
    ExpectNear(runner.Top(), expected, 1e-9);
  }
}

TEST_P(DescriptionTest, SayNothingWhereItWouldBeWrong) {
  const auto says = [&](const std::string& text, const std::vector<Shape>& bottoms) {
    LayerRunner runner(text, bottoms, On());
    const Layer& layer = runner.layer();
    return layer.AsPointwise() || layer.AsChannelAffine() || layer.AsWeightedSum();
  };
  const Shape x{2, 4, 3, 3};
  EXPECT_FALSE(says("type: 'BatchNorm'", {x}));                                // the batch's own
  EXPECT_FALSE(says("type: 'Scale' scale_param { axis: 2 }", {x}));            // of rows
  EXPECT_FALSE(says("type: 'Scale' scale_param { num_axes: 2 }", {x}));        // of planes
  EXPECT_FALSE(says("type: 'Bias' bias_param { axis: 0 num_axes: 1 }", {x}));  // of images
  EXPECT_FALSE(says("type: 'Eltwise' eltwise_param { operation: MAX }", {x, x}));
  EXPECT_FALSE(says("type: 'Dropout'", {x}));
  EXPECT_FALSE(says("type: 'PReLU'", {x}));
}

TEST_P(DescriptionTest, ASumNamesItsCoefficients) {
  const Shape x{2, 3};
  LayerRunner plain("type: 'Eltwise'", {x, x}, On());
  EXPECT_EQ(plain.layer().AsWeightedSum()->coefficients, (std::vector<float>{1, 1}));
  LayerRunner mixed("type: 'Eltwise' eltwise_param { coeff: 0.5 coeff: -2 }", {x, x}, On());
  EXPECT_EQ(mixed.layer().AsWeightedSum()->coefficients, (std::vector<float>{0.5f, -2}));
}

}  // namespace
}  // namespace crema::test
