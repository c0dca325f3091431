#include "solvers/learning_rate.h"

#include <gtest/gtest.h>

#include "crema.pb.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

proto::SolverParameter Policy(const std::string& text) {
  proto::SolverParameter solver = ParseSolver("base_lr: 0.5 " + text);
  CheckLearningRate(solver);
  return solver;
}

// The rates of iterations 0, 1, 2, ...
std::vector<double> Rates(const std::string& text, int count) {
  const proto::SolverParameter solver = Policy(text);
  std::vector<double> rates;
  for (int i = 0; i < count; ++i) rates.push_back(LearningRate(solver, i));
  return rates;
}

TEST(LearningRateTest, Fixed) { ExpectNear(Rates("lr_policy: 'fixed'", 3), {0.5, 0.5, 0.5}, 0); }

TEST(LearningRateTest, Step) {
  const std::string text = "lr_policy: 'step' gamma: 0.5 stepsize: 2";
  ExpectNear(Rates(text, 6), {0.5, 0.5, 0.25, 0.25, 0.125, 0.125}, 1e-15);
  EXPECT_EQ(LearningRateSteps(Policy(text), 1), 0);
  EXPECT_EQ(LearningRateSteps(Policy(text), 5), 2);
}

TEST(LearningRateTest, Multistep) {
  const std::string text = "lr_policy: 'multistep' gamma: 0.5 stepvalue: 1 stepvalue: 4";
  ExpectNear(Rates(text, 6), {0.5, 0.25, 0.25, 0.25, 0.125, 0.125}, 1e-15);
  EXPECT_EQ(LearningRateSteps(Policy(text), 3), 1);
}

// Two steps at one iteration are two steps.
TEST(LearningRateTest, MultistepTakesEqualValues) {
  ExpectNear(Rates("lr_policy: 'multistep' gamma: 0.5 stepvalue: 1 stepvalue: 1", 2), {0.5, 0.125},
             1e-15);
}

TEST(LearningRateTest, Exp) {
  ExpectNear(Rates("lr_policy: 'exp' gamma: 0.5", 4), {0.5, 0.25, 0.125, 0.0625}, 1e-15);
}

// 0.5 / (1 + t)^2
TEST(LearningRateTest, Inv) {
  ExpectNear(Rates("lr_policy: 'inv' gamma: 1 power: 2", 4), {0.5, 0.125, 0.5 / 9, 0.03125}, 1e-15);
}

// 0.5 * (1 - t / 4)^2
TEST(LearningRateTest, Poly) {
  ExpectNear(Rates("lr_policy: 'poly' power: 2 max_iter: 4", 5),
             {0.5, 0.5 * 9 / 16, 0.125, 0.5 / 16, 0}, 1e-15);
}

// 0.5 / (1 + e^(t - 2)) with -gamma = 1: half the rate at stepsize, where it falls.
TEST(LearningRateTest, Sigmoid) {
  const std::vector<double> rates = Rates("lr_policy: 'sigmoid' gamma: 1 stepsize: 2", 5);
  ExpectNear(rates, {0.5 / (1 + 7.38905609893065), 0.5 / (1 + 2.718281828459045), 0.25,
                     0.5 / (1 + 0.36787944117144233), 0.5 / (1 + 0.1353352832366127)},
             1e-14);
}

TEST(LearningRateTest, Errors) {
  const auto error = [](const std::string& text, const std::vector<std::string>& parts) {
    ExpectError([&] { CheckLearningRate(ParseSolver(text)); }, parts);
  };
  error("base_lr: 1", {"lr_policy is missing", "fixed"});
  error("base_lr: 1 lr_policy: 'stpe'", {"unknown lr_policy 'stpe'", "did you mean 'step'?"});
  error("lr_policy: 'fixed'", {"base_lr is missing"});
  error("base_lr: 1 lr_policy: 'step' gamma: 0.1", {"'step'", "stepsize"});
  error("base_lr: 1 lr_policy: 'sigmoid' gamma: 0.1", {"'sigmoid'", "stepsize"});
  error("base_lr: 1 lr_policy: 'inv' gamma: -1", {"'inv'", "gamma"});
  error("base_lr: 1 lr_policy: 'poly' power: 1", {"'poly'", "max_iter"});
  error("base_lr: 1 lr_policy: 'multistep' gamma: 0.1 stepvalue: 5 stepvalue: 3",
        {"'multistep'", "ascending"});
}

}  // namespace
}  // namespace crema::test
