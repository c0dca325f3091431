#include "solvers/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/base/error.h"

namespace crema {
namespace {

const std::vector<std::string>& Policies() {
  static const std::vector<std::string> policies = {"fixed", "step", "exp",    "inv",
                                                    "multistep", "poly", "sigmoid"};
  return policies;
}

void Require(bool holds, const std::string& policy, const char* what) {
  if (!holds) Fail("solver: lr_policy '", policy, "' needs ", what);
}

}  // namespace

void CheckLearningRate(const proto::SolverParameter& solver) {
  const std::string& policy = solver.lr_policy();
  if (std::find(Policies().begin(), Policies().end(), policy) == Policies().end()) {
    const std::string near = Nearest(policy, Policies());
    Fail("solver: ", policy.empty() ? "lr_policy is missing" : "unknown lr_policy '" + policy + "'",
         "; ", near.empty() ? "" : "did you mean '" + near + "'? ", "the policies are ",
         Join(Policies()));
  }
  const auto is = [&](const char* name) { return policy == name; };
  if (!solver.has_base_lr()) Fail("solver: base_lr is missing");
  if (is("step") || is("exp") || is("inv") || is("multistep") || is("sigmoid")) {
    Require(solver.gamma() >= 0, policy, "gamma >= 0");
  }
  if (is("step") || is("sigmoid")) Require(solver.stepsize() > 0, policy, "stepsize > 0");
  if (is("poly")) Require(solver.max_iter() > 0, policy, "max_iter > 0");
  if (is("multistep")) {
    Require(std::is_sorted(solver.stepvalue().begin(), solver.stepvalue().end()), policy,
            "ascending stepvalue");
  }
}

int LearningRateSteps(const proto::SolverParameter& solver, int64_t iteration) {
  if (solver.lr_policy() == "step") return static_cast<int>(iteration / solver.stepsize());
  if (solver.lr_policy() != "multistep") return 0;
  return static_cast<int>(std::count_if(solver.stepvalue().begin(), solver.stepvalue().end(),
                                        [&](int value) { return iteration >= value; }));
}

double LearningRate(const proto::SolverParameter& solver, int64_t iteration) {
  const std::string& policy = solver.lr_policy();
  const double base = solver.base_lr(), gamma = solver.gamma(), power = solver.power();
  const auto t = static_cast<double>(iteration);
  if (policy == "step" || policy == "multistep") {
    return base * std::pow(gamma, LearningRateSteps(solver, iteration));
  }
  if (policy == "exp") return base * std::pow(gamma, t);
  if (policy == "inv") return base * std::pow(1 + gamma * t, -power);
  if (policy == "poly") return base * std::pow(1 - t / solver.max_iter(), power);
  if (policy == "sigmoid") return base / (1 + std::exp(-gamma * (t - solver.stepsize())));
  return base;
}

}  // namespace crema
