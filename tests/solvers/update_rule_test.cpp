#include "solvers/update_rule.h"

#include <cmath>

#include "solvers/param_table.h"
#include "tensor/param_block.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// Three weights, or more, of one parameter, and what a rule needs to update them.
struct OneParam {
  OneParam(DeviceKind kind, DType dtype, int64_t count, int histories)
      : device(OpenTestDevice(kind)), context(device), count(count) {
    const int64_t padded = (count + kParamBlock - 1) / kParamBlock * kParamBlock;
    const auto zeros = [&](int64_t n) {
      Tensor tensor(device, dtype, Shape{n});
      tensor.FromHost(std::vector<double>(n, 0));
      return tensor;
    };
    step.weights = zeros(padded);
    step.gradients = zeros(padded);
    for (int i = 0; i < histories; ++i) step.history.push_back(zeros(padded));
    step.gradient_factor = zeros(1);
    SetFactor(1);
    ParamSegment segment;
    segment.count = count;
    table = std::make_unique<ParamTable>(device, dtype, padded, std::vector{segment});
  }
  void SetFactor(double factor) { step.gradient_factor.FromHost(std::vector<double>{factor}); }
  static void Set(const Tensor& tensor, std::vector<double> values) {
    values.resize(tensor.count(), 0);
    tensor.FromHost(values);
  }
  // Without the padding, which has to be zeros.
  std::vector<double> Get(const Tensor& tensor) const {
    std::vector<double> values = tensor.ToHost<double>();
    for (size_t i = count; i < values.size(); ++i) EXPECT_EQ(values[i], 0);
    values.resize(count);
    return values;
  }
  void Update(const std::string& type) {
    table->Update(context, *CreateUpdateRule(type, context.kind()), step);
  }

  std::shared_ptr<Device> device;
  Context context;
  int64_t count;
  UpdateStep step;
  std::unique_ptr<ParamTable> table;
};

class UpdateRuleTest : public LayerTest {
 protected:
  void Make(DType dtype = DType::kFloat64) {
    param_ = std::make_unique<OneParam>(device(), dtype, 3, 1);
    OneParam::Set(param_->step.weights, {1, -2, 0});
    OneParam::Set(param_->step.gradients, {4, 8, -16});
  }
  UpdateStep& step() { return param_->step; }
  void Update(double factor = 1) {
    param_->SetFactor(factor);
    param_->Update("SGD");
  }
  std::vector<double> Weights() const { return param_->Get(param_->step.weights); }
  std::vector<double> History() const { return param_->Get(param_->step.history[0]); }

  std::unique_ptr<OneParam> param_;
};
CREMA_ON_ALL_DEVICES(UpdateRuleTest);

TEST_P(UpdateRuleTest, GoldenRate) {
  for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
    Make(dtype);
    step().rate = 0.5;
    Update();
    EXPECT_EQ(Weights(), (std::vector<double>{-1, -6, 8}));
    EXPECT_EQ(History(), (std::vector<double>{2, 4, -8}));
  }
}

// h = 0.25 h + 0.5 g twice, the gradient staying: h = (2 4 -8), then (2.5 5 -10).
TEST_P(UpdateRuleTest, GoldenMomentum) {
  Make();
  step().rate = 0.5;
  step().momentum = 0.25;
  Update();
  Update();
  EXPECT_EQ(History(), (std::vector<double>{2.5, 5, -10}));
  EXPECT_EQ(Weights(), (std::vector<double>{1 - 4.5, -2 - 9, 18}));
}

// g + 2 w = (6 4 -16); g + 2 sign(w) = (6 6 -16).
TEST_P(UpdateRuleTest, GoldenDecay) {
  for (const bool l1 : {false, true}) {
    Make();
    step().rate = 0.5;
    step().decay = 2;
    step().l1 = l1;
    Update();
    EXPECT_EQ(Weights(), (std::vector<double>{-2, l1 ? -5.0 : -4.0, 8}));
  }
}

// The factor 1 / 4 of iter_size 4 is for the gradient, not the decay: (1 2 -4) + 2 w = (3 -2 -4).
TEST_P(UpdateRuleTest, GoldenFactor) {
  Make();
  step().rate = 0.5;
  step().decay = 2;
  Update(0.25);
  EXPECT_EQ(Weights(), (std::vector<double>{-0.5, -1, 2}));
}

// Each rule against its formula, one weight at a time: `next` changes w and the histories h.
using Formula = void (*)(double g, const UpdateStep& step, double* w, double* h);

struct RuleCase {
  const char* type;
  Formula next;
};

const RuleCase kRules[] = {
    {"SGD",
     [](double g, const UpdateStep& s, double* w, double* h) {
       h[0] = s.momentum * h[0] + s.rate * g;
       *w -= h[0];
     }},
    // A step back of what the last one went too far, then a step that goes too far.
    {"Nesterov",
     [](double g, const UpdateStep& s, double* w, double* h) {
       *w += s.momentum * h[0];
       h[0] = s.momentum * h[0] + s.rate * g;
       *w -= h[0] + s.momentum * h[0];
     }},
    {"AdaGrad",
     [](double g, const UpdateStep& s, double* w, double* h) {
       h[0] += g * g;
       *w -= s.rate * g / (std::sqrt(h[0]) + s.delta);
     }},
    {"RMSProp",
     [](double g, const UpdateStep& s, double* w, double* h) {
       h[0] = s.rms_decay * h[0] + (1 - s.rms_decay) * g * g;
       *w -= s.rate * g / (std::sqrt(h[0]) + s.delta);
     }},
    {"AdaDelta",
     [](double g, const UpdateStep& s, double* w, double* h) {
       h[0] = s.momentum * h[0] + (1 - s.momentum) * g * g;
       const double update = g * std::sqrt(h[1] + s.delta) / std::sqrt(h[0] + s.delta);
       h[1] = s.momentum * h[1] + (1 - s.momentum) * update * update;
       *w -= s.rate * update;
     }},
    // As in the paper, with its epsilon times sqrt(1 - beta2^t) for delta.
    {"Adam",
     [](double g, const UpdateStep& s, double* w, double* h) {
       const double t = static_cast<double>(s.iteration) + 1;
       h[0] = s.momentum * h[0] + (1 - s.momentum) * g;
       h[1] = s.momentum2 * h[1] + (1 - s.momentum2) * g * g;
       const double unbias = std::sqrt(1 - std::pow(s.momentum2, t));
       const double m = h[0] / (1 - std::pow(s.momentum, t));
       *w -= s.rate * m / (std::sqrt(h[1]) / unbias + s.delta / unbias);
     }},
    // g comes with the decay, which is not for the means.
    {"AdamW",
     [](double g, const UpdateStep& s, double* w, double* h) {
       const double t = static_cast<double>(s.iteration) + 1, plain = g - s.decay * *w;
       h[0] = s.momentum * h[0] + (1 - s.momentum) * plain;
       h[1] = s.momentum2 * h[1] + (1 - s.momentum2) * plain * plain;
       const double unbias = std::sqrt(1 - std::pow(s.momentum2, t));
       const double m = h[0] / (1 - std::pow(s.momentum, t));
       *w -= s.rate * m / (std::sqrt(h[1]) / unbias + s.delta / unbias) + s.rate * s.decay * *w;
     }},
    {"SAG",
     [](double g, const UpdateStep& s, double* w, double* h) {
       h[0] = s.momentum * h[0] + (1 - s.momentum) * g;
       *w -= s.rate * h[0];
     }},
};

TEST_P(UpdateRuleTest, FollowTheirFormulas) {
  const int64_t count = 137;  // two blocks and a rest
  for (const RuleCase& rule : kRules) {
    SCOPED_TRACE(rule.type);
    const int histories = CreateUpdateRule(rule.type, device())->history_count();
    OneParam param(device(), DType::kFloat64, count, histories);
    std::vector<double> w = RandomValues(count, 1);
    std::vector<std::vector<double>> h(count, std::vector<double>(histories, 0));
    OneParam::Set(param.step.weights, w);
    param.SetFactor(0.5);
    UpdateStep& step = param.step;
    step.rate = 0.02;
    step.momentum = 0.9;
    step.momentum2 = 0.99;
    step.rms_decay = 0.95;
    step.delta = 1e-3;
    step.decay = 0.1;
    for (step.iteration = 0; step.iteration < 6; ++step.iteration) {
      const std::vector<double> g = RandomValues(count, 10 + step.iteration);
      OneParam::Set(step.gradients, g);
      param.Update(rule.type);
      for (int64_t i = 0; i < count; ++i) {
        rule.next(0.5 * g[i] + step.decay * w[i], step, &w[i], h[i].data());
      }
    }
    ExpectNear(param.Get(step.weights), w, 1e-13);
    for (const Tensor& history : step.history) param.Get(history);  // the padding
  }
}

TEST_P(UpdateRuleTest, UnknownRulesAreAnError) {
  ExpectError([&] { CreateUpdateRule("SDG", device()); }, {"SDG"});
}

}  // namespace
}  // namespace crema::test
