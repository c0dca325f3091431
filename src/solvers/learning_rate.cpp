#include "solvers/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/ranges.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "solvers/solver_error.h"

namespace crema {
namespace {

using proto::SolverParameter;

constexpr double kPi = 3.14159265358979323846;

const std::vector<std::string>& Policies() {
  static const std::vector<std::string> policies = {
      "fixed",   "step",       "exp",    "inv",        "multistep",   "poly",    "sigmoid",
      "plateau", "multifixed", "cosine", "triangular", "triangular2", "onecycle"};
  return policies;
}

// The end of the warm-up; 0 where there is none.
int64_t WarmUpEnd(const SolverParameter& s) {
  return std::max(s.warmup_iter(), s.rampup_interval());
}

double WarmUpRate(const SolverParameter& s, double t) {
  const double share = t / static_cast<double>(WarmUpEnd(s));
  if (s.rampup_interval() == 0) {
    return s.warmup_start_lr() + (s.base_lr() - s.warmup_start_lr()) * share;
  }
  return s.rampup_lr() + (s.base_lr() - s.rampup_lr()) * share * share;
}

// From 0 at t = 0 to 1 at `end` and later; 1 too where there is nothing to go through.
double Share(double t, double end) { return end > 0 ? std::min(1.0, std::max(0.0, t / end)) : 1; }

double CosineRate(const SolverParameter& s, double t) {
  const double start = static_cast<double>(WarmUpEnd(s));
  double share = Share(t - start, s.max_iter() - start);
  if (s.stepsize() > 0) share = std::fmod(t - start, s.stepsize()) / s.stepsize();
  return s.min_lr() + (s.base_lr() - s.min_lr()) * 0.5 * (1 + std::cos(kPi * share));
}

// The height of the triangle that begins at t = 0 and is `half` long on each side: 0 to 1.
double Triangle(double t, double half) { return std::max(0.0, 1 - std::abs(t - half) / half); }

double CyclicRate(const SolverParameter& s, double t) {
  t -= s.start_lr_policy();
  if (t <= 0) return s.base_lr();
  const double cycle = std::floor(t / (2.0 * s.stepsize()));
  double height = Triangle(t - 2 * cycle * s.stepsize(), s.stepsize());
  if (s.lr_policy() == "triangular2") height /= std::pow(2.0, cycle);
  return s.base_lr() + (s.max_lr() - s.base_lr()) * height;
}

// Where "onecycle" is in its one triangle: 0 before and after.
double OneCycleHeight(const SolverParameter& s, double t) {
  return Triangle(t - static_cast<double>(WarmUpEnd(s)), s.stepsize());
}

double OneCycleRate(const SolverParameter& s, double t) {
  const double end = static_cast<double>(WarmUpEnd(s)) + 2.0 * s.stepsize();
  if (t < end) return s.base_lr() + (s.max_lr() - s.base_lr()) * OneCycleHeight(s, t);
  return s.base_lr() + (s.min_lr() - s.base_lr()) * Share(t - end, s.max_iter() - end);
}

double StagedRate(const SolverParameter& s, int64_t iteration) {
  int stage = 0;
  while (stage < s.stageiter_size() - 1 && iteration > s.stageiter(stage)) ++stage;
  return s.stagelr(stage);
}

double PolicyRate(const SolverParameter& s, int64_t iteration, int plateau_steps) {
  const std::string& policy = s.lr_policy();
  const double base = s.base_lr(), gamma = s.gamma(), power = s.power();
  const auto t = static_cast<double>(iteration);
  if (policy == "step" || policy == "multistep") {
    return base * std::pow(gamma, LearningRateSteps(s, iteration));
  }
  if (policy == "plateau") return base * std::pow(gamma, plateau_steps);
  if (policy == "exp") return base * std::pow(gamma, t);
  if (policy == "inv") return base * std::pow(1 + gamma * t, -power);
  if (policy == "poly") {
    return s.min_lr() + (base - s.min_lr()) * std::pow(1 - Share(t, s.max_iter()), power);
  }
  if (policy == "sigmoid") return base / (1 + std::exp(-gamma * (t - s.stepsize())));
  if (policy == "multifixed") return StagedRate(s, iteration);
  if (policy == "cosine") return CosineRate(s, t);
  if (policy == "triangular" || policy == "triangular2") return CyclicRate(s, t);
  if (policy == "onecycle") return OneCycleRate(s, t);
  return base;
}

// The checks: what a policy cannot do without.

void Require(bool holds, const std::string& policy, const char* what) {
  if (!holds) FailInSolver("lr_policy '", policy, "' needs ", what);
}

template <class Numbers>
bool Ascend(const Numbers& numbers) {
  return std::is_sorted(numbers.begin(), numbers.end());
}

void CheckPolicyName(const std::string& policy) {
  if (std::find(Policies().begin(), Policies().end(), policy) != Policies().end()) return;
  const std::string near = Nearest(policy, Policies());
  FailInSolver("", policy.empty() ? "lr_policy is missing" : "unknown lr_policy '" + policy + "'",
               "; ", near.empty() ? "" : "did you mean '" + near + "'? ", "the policies are ",
               Join(Policies()));
}

void CheckCaffePolicy(const SolverParameter& s) {
  const std::string& policy = s.lr_policy();
  const auto is = [&](const char* name) { return policy == name; };
  const bool multiplies = is("step") || is("exp") || is("multistep") || is("plateau");
  if (multiplies || is("inv") || is("sigmoid")) Require(s.gamma() >= 0, policy, "gamma >= 0");
  // Caffe takes 0 for it, and then learns nothing more.
  if (multiplies) Require(s.has_gamma(), policy, "gamma, what the rate is multiplied by");
  if (is("step") || is("sigmoid")) Require(s.stepsize() > 0, policy, "stepsize > 0");
}

void CheckOtherPolicy(const SolverParameter& s) {
  const std::string& policy = s.lr_policy();
  const auto is = [&](const char* name) { return policy == name; };
  if (is("plateau")) Require(s.plateau_winsize_size() > 0, policy, "plateau_winsize");
  if (is("multifixed")) {
    Require(s.stagelr_size() > 0 && s.stagelr_size() == s.stageiter_size(), policy,
            "the same number of stageiter and stagelr, at least one of each");
    Require(Ascend(s.stageiter()), policy, "stageiter in ascending order");
    const auto& rates = s.stagelr();
    const bool all = std::all_of(rates.begin(), rates.end(), [](float rate) { return rate >= 0; });
    Require(all, policy, "stagelr >= 0");
  }
  if (is("cosine") || is("onecycle")) {
    Require(s.max_iter() > WarmUpEnd(s), policy, "max_iter above the end of the warm-up");
  }
  if (is("triangular") || is("triangular2") || is("onecycle")) {
    Require(s.has_max_lr() && s.max_lr() >= s.base_lr(), policy, "max_lr >= base_lr");
    Require(s.stepsize() > 0, policy, "stepsize > 0, the iterations from base_lr to max_lr");
  }
  if (is("onecycle")) {
    Require(WarmUpEnd(s) + 2 * int64_t{s.stepsize()} <= s.max_iter(), policy,
            "2 * stepsize to end before max_iter");
  }
  const bool ends_at_min = is("poly") || is("cosine") || is("onecycle");
  if (ends_at_min) Require(s.min_lr() <= s.base_lr(), policy, "min_lr <= base_lr");
}

void CheckWarmUp(const SolverParameter& s) {
  CheckSolverRange("warmup_iter", s.warmup_iter(), 0, std::numeric_limits<int>::max());
  CheckSolverRange("rampup_interval", s.rampup_interval(), 0, std::numeric_limits<int>::max());
  if (s.warmup_iter() > 0 && s.rampup_interval() > 0) {
    FailInSolver(
        "warmup_iter (Intel's linear warm-up) and rampup_interval (NVIDIA's quadratic one) "
        "are both set; set only one");
  }
  for (const auto& [field, rate] :
       {std::pair("base_lr", s.base_lr()), std::pair("min_lr", s.min_lr()),
        std::pair("warmup_start_lr", s.warmup_start_lr()), std::pair("rampup_lr", s.rampup_lr())}) {
    if (rate < 0) FailInSolver(field, " is ", rate, ", but must be at least 0");
  }
}

void CheckMomentumPolicy(const SolverParameter& s) {
  const std::string& policy = s.momentum_policy();
  if (policy != "fixed" && policy != "poly" && policy != "opt" && policy != "cycle") {
    FailInSolver("momentum_policy is '", policy,
                 "'; use \"fixed\", \"poly\", \"opt\" or \"cycle\"");
  }
  if (policy != "fixed" && s.type() != "SGD" && s.type() != "Nesterov") {
    FailInSolver("momentum_policy '", policy, "' works only with SGD and Nesterov, not with ",
                 s.type(), "; remove it");
  }
  if (policy == "poly" && s.max_iter() <= 0)
    FailInSolver("momentum_policy 'poly' needs max_iter > 0");
  if (policy == "cycle" && s.lr_policy() != "onecycle") {
    FailInSolver("momentum_policy 'cycle' needs lr_policy 'onecycle', but it is '", s.lr_policy(),
                 "'");
  }
}

void CheckWeightDecayPolicy(const SolverParameter& s) {
  const std::string& policy = s.weight_decay_policy();
  if (policy != "fixed" && policy != "poly") {
    FailInSolver("weight_decay_policy is '", policy, "'; use \"fixed\" or \"poly\"");
  }
  if (policy == "poly" && s.max_iter() <= 0) {
    FailInSolver("weight_decay_policy 'poly' needs max_iter > 0");
  }
}

}  // namespace

std::string WhyRateStays(const SolverParameter& s) {
  const std::string& policy = s.lr_policy();
  const char* lacks = "";
  if ((policy == "inv" || policy == "sigmoid") && !s.has_gamma()) lacks = "gamma";
  if ((policy == "inv" || policy == "poly") && !s.has_power()) lacks = "power";
  if (policy == "multistep" && s.stepvalue_size() == 0) lacks = "stepvalue";
  if (lacks[0] == '\0') return "";
  return Concat("lr_policy '", policy, "' without ", lacks, " never changes the rate; set ", lacks,
                ", or use lr_policy: \"fixed\"");
}

void CheckLearningRate(const SolverParameter& solver) {
  CheckPolicyName(solver.lr_policy());
  if (!solver.has_base_lr() && solver.lr_policy() != "multifixed") {
    FailInSolver("base_lr is missing");
  }
  CheckWarmUp(solver);
  CheckCaffePolicy(solver);
  CheckOtherPolicy(solver);
  CheckMomentumPolicy(solver);
  CheckWeightDecayPolicy(solver);
}

bool WarmsUp(const SolverParameter& solver, int64_t iteration) {
  return iteration < WarmUpEnd(solver);
}

int LearningRateSteps(const SolverParameter& solver, int64_t iteration) {
  if (solver.lr_policy() == "step") return static_cast<int>(iteration / solver.stepsize());
  if (solver.lr_policy() != "multistep") return 0;
  // As in Caffe at most one an iteration, which tells where a value stands twice.
  int steps = 0;
  int64_t last = -1;
  for (int64_t value : solver.stepvalue()) {
    last = std::max(value, last + 1);
    if (iteration < last) break;
    ++steps;
  }
  return steps;
}

double LearningRate(const SolverParameter& solver, int64_t iteration, int plateau_steps) {
  const double rate = WarmsUp(solver, iteration)
                          ? WarmUpRate(solver, static_cast<double>(iteration))
                          : PolicyRate(solver, iteration, plateau_steps);
  return std::max<double>(rate, solver.min_lr());
}

double Momentum(const SolverParameter& solver, int64_t iteration, double rate) {
  const std::string& policy = solver.momentum_policy();
  const double base = solver.momentum(), most = solver.max_momentum();
  const auto t = static_cast<double>(iteration);
  if (policy == "poly") {
    const double share = Share(t, solver.max_iter());
    return base + (most - base) * std::pow(share, solver.momentum_power());
  }
  if (policy == "cycle") return most + (base - most) * OneCycleHeight(solver, t);
  if (policy == "opt") {
    const double root = 1 - 0.5 * std::sqrt(rate);
    return solver.has_max_momentum() ? std::min(most, root * root) : root * root;
  }
  return base;
}

double WeightDecay(const SolverParameter& solver, int64_t iteration) {
  const double base = solver.weight_decay(), most = solver.max_weight_decay();
  if (solver.weight_decay_policy() == "fixed") return base;
  const double share = Share(static_cast<double>(iteration), solver.max_iter());
  return base + (most - base) * std::pow(share, solver.weight_decay_power());
}

}  // namespace crema
