// The nets of models/ learn with the default engines, layouts and fusion as they do with our own
// code and none of those.
//
// In single precision a sum in another order moves a value by some 1e-6, so that in a deep net a
// few of a million ReLUs and maxima decide the other way, and each decision moves a gradient by
// more. So a net is looked at twice. Its smooth twin, with ELU and averages where it has ReLU and
// maxima, decides nothing and is held to 1e-4. The net itself is held against our own code in
// double, and may be farther from it by three times what rounding does: our own code in single, and
// in double with weights that were moved in their twentieth bit.
//
// CREMA_PARITY=1 runs all nets, which takes half an hour; else the smallest.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>
#include <tuple>

#include "engines/models_util.h"
#include "train/train_test_util.h"

namespace crema::test {
namespace {

// No kinks: what a net learns follows rounding as a straight line does.
void Smooth(proto::NetParameter* net) {
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.type() == "ReLU") layer.set_type("ELU");
    if (layer.type() == "Pooling") {
      layer.mutable_pooling_param()->set_pool(proto::PoolingParameter::AVE);
    }
  }
}

std::unique_ptr<Trainer> Make(const proto::SolverParameter& solver, bool plain, DType dtype) {
  TrainOptions options;
  options.dtype = dtype;
  options.fuse = !plain;
  options.engine = plain ? "CAFFE" : "DEFAULT";
  return std::make_unique<Trainer>(solver, options);
}

struct Learned {
  double first_loss, last_loss;
  std::vector<std::vector<double>> gradients;  // of the first iteration, by parameter
};

Learned Learn(Trainer* trainer) {
  const auto loss = [&] { return trainer->net().loss().ToHost<double>()[0]; };
  Learned learned;
  trainer->Step(1);
  learned.first_loss = loss();
  learned.gradients = GradientsOf(trainer->net());
  trainer->Step(19);
  learned.last_loss = loss();
  return learned;
}

double GradientError(const Learned& learned, const Learned& exact) {
  return QuadraticMean(GradientErrors(learned.gradients, exact.gradients));
}

double LossError(const Learned& learned, const Learned& exact) {
  return std::fabs(learned.last_loss / exact.last_loss - 1);
}

// Each weight by one part in 2^20, up or down.
void Nudge(std::vector<double>* weights) {
  std::mt19937 random(5);
  for (double& weight : *weights) weight *= 1 + ((random() & 1) != 0 ? 1 : -1) * std::ldexp(1, -20);
}

class ModelsParityTest : public testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotRun(model());
    if (!why.empty()) GTEST_SKIP() << why;
  }
  const std::string& model() const { return std::get<0>(GetParam()); }
  bool smooth() const { return std::get<1>(GetParam()); }
};

std::string CaseName(const testing::TestParamInfo<std::tuple<std::string, bool>>& info) {
  return TestName(std::get<0>(info.param)) + (std::get<1>(info.param) ? "_smooth" : "");
}

INSTANTIATE_TEST_SUITE_P(All, ModelsParityTest,
                         testing::Combine(testing::ValuesIn(ModelNames()), testing::Bool()),
                         CaseName);

TEST_P(ModelsParityTest, LearnsAsOurOwnCodeDoes) {
  std::vector<double> weights;
  const auto learn = [&](bool plain, DType dtype) {
    proto::SolverParameter solver = ModelSolver(model());
    if (smooth()) Smooth(solver.mutable_net_param());
    const auto trainer = Make(solver, plain, dtype);
    if (weights.empty()) weights = trainer->net().flat_params().ToHost<double>();
    trainer->net().flat_params().FromHost(weights);
    return Learn(trainer.get());
  };
  const Learned own = learn(true, DType::kFloat32);
  const Learned fast = learn(false, DType::kFloat32);
  const Learned exact = learn(true, DType::kFloat64);
  double gradient_error = 0, loss_error = 0;
  if (!smooth()) {
    Nudge(&weights);
    const Learned nudged = learn(true, DType::kFloat64);
    gradient_error = std::max(GradientError(own, exact), GradientError(nudged, exact));
    loss_error = std::max(LossError(own, exact), LossError(nudged, exact));
  }
  std::cout << model() << (smooth() ? ", smooth" : "") << ": gradients "
            << GradientError(fast, exact) << ", loss " << LossError(fast, exact) << ", by rounding "
            << gradient_error << ", " << loss_error << std::endl;
  EXPECT_NEAR(fast.first_loss, exact.first_loss, 1e-4 * exact.first_loss);
  EXPECT_LE(GradientError(fast, exact), 1e-4 + 3 * gradient_error);
  // Twenty steps along gradients that rounding moves by so much may end as far from each other.
  EXPECT_LE(LossError(fast, exact), 1e-4 + 3 * std::max(loss_error, gradient_error));
}

}  // namespace
}  // namespace crema::test
