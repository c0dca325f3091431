#include "solvers/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>

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

// As in Caffe, each waits for the one before it; the second of these has long been reached then.
TEST(LearningRateTest, MultistepGoesThroughItsValuesInOrder) {
  const std::string text = "lr_policy: 'multistep' gamma: 0.5 stepvalue: 3 stepvalue: 1";
  ExpectNear(Rates(text, 6), {0.5, 0.5, 0.5, 0.25, 0.125, 0.125}, 1e-15);
  CheckLearningRate(Policy(text));
}

// Training then has no iterations; Caffe takes it.
TEST(LearningRateTest, PolyNeedsNoIterations) {
  CheckLearningRate(Policy("lr_policy: 'poly' power: 1 max_iter: 0"));
}

// As in Caffe, which asks once an iteration.
TEST(LearningRateTest, MultistepTakesOneStepAnIteration) {
  ExpectNear(Rates("lr_policy: 'multistep' gamma: 0.5 stepvalue: 1 stepvalue: 1 stepvalue: 2", 5),
             {0.5, 0.25, 0.125, 0.0625, 0.0625}, 1e-15);
  ExpectNear(Rates("lr_policy: 'multistep' gamma: 0.5 stepvalue: 0 stepvalue: 0", 2), {0.25, 0.125},
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
  ExpectNear(rates,
             {0.5 / (1 + 7.38905609893065), 0.5 / (1 + 2.718281828459045), 0.25,
              0.5 / (1 + 0.36787944117144233), 0.5 / (1 + 0.1353352832366127)},
             1e-14);
}

// From 0.1 to 0.5 in 4 iterations, then what the policy says of iteration 4.
TEST(LearningRateTest, WarmUp) {
  const std::string text = "lr_policy: 'step' gamma: 0.5 stepsize: 2 warmup_iter: 4 ";
  ExpectNear(Rates(text + "warmup_start_lr: 0.1", 7), {0.1, 0.2, 0.3, 0.4, 0.125, 0.125, 0.0625},
             1e-8);
  ExpectNear(Rates(text, 5), {0, 0.125, 0.25, 0.375, 0.125}, 1e-15);
  EXPECT_TRUE(WarmsUp(Policy(text), 3));
  EXPECT_FALSE(WarmsUp(Policy(text), 4));
}

// 0.1 + 0.4 (t / 4)^2
TEST(LearningRateTest, RampUp) {
  const std::string text = "lr_policy: 'fixed' rampup_interval: 4 rampup_lr: 0.1";
  ExpectNear(Rates(text, 6), {0.1, 0.125, 0.2, 0.325, 0.5, 0.5}, 1e-8);
}

// NVIDIA's floor: under "poly" what the rate goes to, under the others what it stops at.
TEST(LearningRateTest, Floor) {
  ExpectNear(Rates("lr_policy: 'poly' power: 1 max_iter: 4 min_lr: 0.1", 6),
             {0.5, 0.4, 0.3, 0.2, 0.1, 0.1}, 1e-8);
  ExpectNear(Rates("lr_policy: 'exp' gamma: 0.5 min_lr: 0.1", 4), {0.5, 0.25, 0.125, 0.1}, 1e-8);
  ExpectNear(Rates("lr_policy: 'fixed' min_lr: 0.1 warmup_iter: 5", 3), {0.1, 0.1, 0.2}, 1e-8);
}

TEST(LearningRateTest, PolyEndsAtMaxIter) {
  ExpectNear(Rates("lr_policy: 'poly' power: 0.5 max_iter: 1", 3), {0.5, 0, 0}, 0);
}

TEST(LearningRateTest, Multifixed) {
  ExpectNear(Rates("lr_policy: 'multifixed' stagelr: 1 stagelr: 2 stagelr: 0.5 stageiter: 1 "
                   "stageiter: 2 stageiter: 4",
                   7),
             {1, 1, 2, 0.5, 0.5, 0.5, 0.5}, 1e-8);
  const proto::SolverParameter no_base =
      ParseSolver("lr_policy: 'multifixed' stagelr: 0.25 stageiter: 3");
  CheckLearningRate(no_base);
  EXPECT_EQ(LearningRate(no_base, 9), 0.25);
}

// Half a cosine from 0.5 to 0.1 in 4 iterations: 0.3 + 0.2 cos(pi t / 4).
TEST(LearningRateTest, Cosine) {
  const double side = 0.2 * std::sqrt(0.5);
  const std::vector<double> down = {0.5, 0.3 + side, 0.3, 0.3 - side};
  const std::string text = "lr_policy: 'cosine' min_lr: 0.1 ";
  ExpectNear(Rates(text + "max_iter: 4", 6), {down[0], down[1], down[2], down[3], 0.1, 0.1}, 1e-7);
  ExpectNear(Rates(text + "max_iter: 9 stepsize: 4", 6),
             {down[0], down[1], down[2], down[3], down[0], down[1]}, 1e-7);
  // after a warm-up of 2 iterations
  ExpectNear(Rates(text + "max_iter: 6 warmup_iter: 2 warmup_start_lr: 0.3", 7),
             {0.3, 0.4, down[0], down[1], down[2], down[3], 0.1}, 1e-7);
}

TEST(LearningRateTest, Triangular) {
  const std::string text = "max_lr: 2.5 stepsize: 2 lr_policy: ";
  ExpectNear(Rates(text + "'triangular'", 8), {0.5, 1.5, 2.5, 1.5, 0.5, 1.5, 2.5, 1.5}, 1e-15);
  ExpectNear(Rates(text + "'triangular2'", 8), {0.5, 1.5, 2.5, 1.5, 0.5, 1, 1.5, 1}, 1e-15);
  ExpectNear(Rates(text + "'triangular' start_lr_policy: 3", 6), {0.5, 0.5, 0.5, 0.5, 1.5, 2.5},
             1e-15);
}

// Up in 2, down in 2, to the floor in 4; the momentum the other way round.
TEST(LearningRateTest, OneCycle) {
  const std::string text =
      "lr_policy: 'onecycle' max_lr: 2.5 stepsize: 2 max_iter: 8 min_lr: 0.25 momentum: 0.75 "
      "max_momentum: 0.875 momentum_policy: 'cycle'";
  ExpectNear(Rates(text, 10), {0.5, 1.5, 2.5, 1.5, 0.5, 0.4375, 0.375, 0.3125, 0.25, 0.25}, 1e-15);
  std::vector<double> momenta;
  for (int t = 0; t < 6; ++t) momenta.push_back(Momentum(Policy(text), t, 0));
  ExpectNear(momenta, {0.875, 0.8125, 0.75, 0.8125, 0.875, 0.875}, 1e-15);
}

TEST(LearningRateTest, PlateauCountsSteps) {
  const proto::SolverParameter solver =
      Policy("lr_policy: 'plateau' gamma: 0.5 plateau_winsize: 10");
  EXPECT_EQ(LearningRate(solver, 100, 0), 0.5);
  EXPECT_EQ(LearningRate(solver, 100, 2), 0.125);
}

TEST(LearningRateTest, MomentumPolicies) {
  const std::string text = "lr_policy: 'fixed' momentum: 0.5 max_iter: 4 ";
  EXPECT_EQ(Momentum(Policy(text), 2, 0.5), 0.5);
  const auto poly = Policy(text + "momentum_policy: 'poly' max_momentum: 0.75 momentum_power: 2");
  EXPECT_EQ(Momentum(poly, 2, 0.5), 0.5625);
  EXPECT_EQ(Momentum(poly, 9, 0.5), 0.75);
  const std::string opt = text + "momentum_policy: 'opt'";
  EXPECT_EQ(Momentum(Policy(opt), 0, 0.25), 0.5625);
  EXPECT_EQ(Momentum(Policy(opt + " max_momentum: 0.5"), 0, 0.25), 0.5);
}

TEST(LearningRateTest, WeightDecayPolicies) {
  const std::string text = "lr_policy: 'fixed' weight_decay: 0.5 max_iter: 4 ";
  EXPECT_EQ(WeightDecay(Policy(text), 2), 0.5);
  const auto poly = Policy(text + "weight_decay_policy: 'poly' max_weight_decay: 1.5");
  EXPECT_EQ(WeightDecay(poly, 2), 1);
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
  const std::string fixed = "base_lr: 1 lr_policy: 'fixed' ";
  error(fixed + "warmup_iter: 2 rampup_interval: 3",
        {"warmup_iter", "rampup_interval", "set only one"});
  error(fixed + "warmup_iter: -2", {"warmup_iter is -2", "from 0 to 2147483647"});
  error(fixed + "min_lr: -1", {"min_lr is -1"});
  error(fixed + "momentum_policy: 'linear'", {"'linear'", "\"poly\""});
  error(fixed + "momentum_policy: 'opt' type: 'Adam'", {"'opt'", "Adam"});
  error(fixed + "momentum_policy: 'cycle'", {"'cycle'", "onecycle"});
  error(fixed + "weight_decay_policy: 'linear'", {"'linear'"});
  error("base_lr: 1 lr_policy: 'plateau' gamma: 0.5", {"'plateau'", "plateau_winsize"});
  error("lr_policy: 'multifixed' stagelr: 1", {"'multifixed'", "stageiter"});
  error("base_lr: 1 lr_policy: 'cosine'", {"'cosine'", "max_iter"});
  error("base_lr: 1 lr_policy: 'triangular' stepsize: 3", {"'triangular'", "max_lr"});
  error("base_lr: 1 lr_policy: 'triangular' max_lr: 2", {"'triangular'", "stepsize"});
  error("base_lr: 1 lr_policy: 'onecycle' max_lr: 2 stepsize: 5 max_iter: 9",
        {"'onecycle'", "before max_iter"});
  error("base_lr: 1 lr_policy: 'poly' max_iter: 9 min_lr: 2", {"'poly'", "min_lr"});
}

// Caffe would take 0 for it, and the rate would be 0 after the first step.
TEST(LearningRateTest, GammaMustBeGivenWhereTheRateIsMultipliedByIt) {
  for (const std::string text : {"'step' stepsize: 2", "'multistep' stepvalue: 2", "'exp'",
                                 "'plateau' plateau_winsize: 2"}) {
    const std::string policy = "base_lr: 1 lr_policy: " + text;
    ExpectError([&] { CheckLearningRate(ParseSolver(policy)); }, {"needs gamma"});
    CheckLearningRate(ParseSolver(policy + " gamma: 0"));  // whoever says so means it
  }
}

TEST(LearningRateTest, RatesAreNotNegative) {
  const std::string fixed = "lr_policy: 'fixed' base_lr: ";
  ExpectError([&] { CheckLearningRate(ParseSolver(fixed + "-0.1")); }, {"base_lr is -0.1"});
  ExpectError([&] { CheckLearningRate(ParseSolver(fixed + "1 warmup_start_lr: -1")); },
              {"warmup_start_lr is -1"});
  ExpectError(
      [&] { CheckLearningRate(ParseSolver("lr_policy: 'multifixed' stageiter: 1 stagelr: -1")); },
      {"stagelr >= 0"});
  CheckLearningRate(ParseSolver(fixed + "0"));
}

TEST(LearningRateTest, PoliciesThatLackANumberStayFixed) {
  const auto why = [](const std::string& text) {
    return WhyRateStays(Policy("lr_policy: " + text));
  };
  EXPECT_NE(why("'inv' gamma: 1").find("without power never changes"), std::string::npos);
  EXPECT_NE(why("'inv' power: 1").find("without gamma never changes"), std::string::npos);
  EXPECT_NE(why("'poly' max_iter: 3").find("without power"), std::string::npos);
  EXPECT_NE(why("'sigmoid' stepsize: 3").find("without gamma"), std::string::npos);
  EXPECT_NE(why("'multistep' gamma: 0.1").find("without stepvalue"), std::string::npos);
  ExpectNear(Rates("lr_policy: 'inv' gamma: 1", 3), {0.5, 0.5, 0.5}, 0);
  ExpectNear(Rates("lr_policy: 'poly' max_iter: 3", 3), {0.5, 0.5, 0.5}, 0);
  EXPECT_EQ(why("'fixed'"), "");
  EXPECT_EQ(why("'inv' gamma: 1 power: 0"), "");
  EXPECT_EQ(why("'multistep' gamma: 0.1 stepvalue: 3"), "");
}

}  // namespace
}  // namespace crema::test
