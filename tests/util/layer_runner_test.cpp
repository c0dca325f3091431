// The tests' own tools: the gradient checker must find wrong gradients.
#include "util/layer_runner.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace crema::test {
namespace {

// y = w * x^2, with gradients that are wrong by a factor in power_param: `scale` for the bottom's,
// `power` for the weight's. With shift above 0 only the last element's is wrong.
class WrongSquareLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override { return {}; }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    plan.params = {ParamDecl{Shape{1}, FillerSpec{}}};
    plan.params[0].filler.value = 3;
    return plan;
  }

  void Forward(Context&, const BlobList& bottom, const BlobList& top) override {
    const double* x = bottom[0]->data<double>();
    double* y = top[0]->mutable_data<double>();
    const double w = param(0).data<double>()[0];
    for (int64_t i = 0; i < bottom[0]->count(); ++i) y[i] = w * x[i] * x[i];
  }

  void Backward(Context&, const BlobList& top, const std::vector<bool>&,
                const BlobList& bottom) override {
    const auto& wrong = config().power_param();
    const double* x = bottom[0]->data<double>();
    const double* dy = top[0]->diff<double>();
    double* dx = bottom[0]->mutable_diff<double>();
    double* dw = param(0).mutable_diff<double>();
    const double w = param(0).data<double>()[0];
    const int64_t count = bottom[0]->count();
    for (int64_t i = 0; i < count; ++i) {
      const bool is_right = wrong.shift() > 0 && i + 1 < count;
      dx[i] = dy[i] * 2 * w * x[i] * (is_right ? 1 : wrong.scale());
      dw[0] += dy[i] * x[i] * x[i] * wrong.power();
    }
  }
};

CREMA_REGISTER_LAYER("WrongSquareOfTests", WrongSquareLayer);

// How many failures the gradient checker reports.
int Failures(const std::string& power_param, bool wants_weight = true) {
  RunnerOptions options;
  options.wants_gradient = {wants_weight};
  LayerRunner runner("type: 'WrongSquareOfTests' power_param {" + power_param + "}", {Shape{2, 3}},
                     options);
  ::testing::TestPartResultArray results;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
    CheckGradients(runner);
  }
  return results.size();
}

TEST(GradientCheckTest, AcceptsRightGradients) { EXPECT_EQ(Failures(""), 0); }

TEST(GradientCheckTest, FindsAWrongFactorInABottomsGradient) {
  EXPECT_GT(Failures("scale: 1.001"), 0);
  EXPECT_GT(Failures("scale: -1"), 0);
  EXPECT_GT(Failures("scale: 0"), 0);
}

TEST(GradientCheckTest, FindsOneWrongElement) { EXPECT_GT(Failures("scale: 1.01 shift: 1"), 0); }

TEST(GradientCheckTest, FindsAWrongParameterGradient) {
  EXPECT_GT(Failures("power: 0.99"), 0);
  EXPECT_EQ(Failures("power: 0.99", false), 0) << "nobody wants that gradient";
}

TEST(GradientCheckTest, LeavesOutKinksOnly) {
  RunnerOptions options;
  LayerRunner runner("type: 'ReLU'", {Shape{2}}, options);
  runner.SetBottom(0, {0, 1});  // the difference at 0 is 1/2, the gradient 0
  runner.SetTopDiff(0, {1, 1});
  ::testing::TestPartResultArray at_kink, beside_kink;
  GradientCheck check;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &at_kink);
    CheckGradients(runner, check);
  }
  check.kink_range = 0.01;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &beside_kink);
    CheckGradients(runner, check);
  }
  EXPECT_GT(at_kink.size(), 0);
  EXPECT_EQ(beside_kink.size(), 0);
}

// The values that the checker moved are back where they were.
TEST(GradientCheckTest, LeavesTheRunnerAsItWas) {
  LayerRunner runner("type: 'WrongSquareOfTests'", {Shape{2, 3}});
  const std::vector<double> bottom = runner.Bottom(), param = runner.Param(0);
  CheckGradients(runner);
  EXPECT_EQ(runner.Bottom(), bottom);
  EXPECT_EQ(runner.Param(0), param);
}

TEST(ExpectErrorTest, WantsEachPartOfTheSentence) {
  ExpectError([] { Fail("layer 'a': bad"); }, {"layer 'a'", "bad"});
  ::testing::TestPartResultArray missing, none;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &missing);
    ExpectError([] { Fail("layer 'a': bad"); }, {"good"});
  }
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &none);
    ExpectError([] {}, {});
  }
  EXPECT_EQ(missing.size(), 1);
  EXPECT_EQ(none.size(), 1);
}

}  // namespace
}  // namespace crema::test
