// What changes with the iteration by a rule: the learning rate (lr_policy), the momentum
// (momentum_policy) and the weight decay (weight_decay_policy). Formulas: docs/solvers.md.
#pragma once

#include <cstdint>
#include <string>

namespace crema {

namespace proto {
class SolverParameter;
}

// Throws Error where a policy is unknown or one of its numbers is missing or out of range.
void CheckLearningRate(const proto::SolverParameter& solver);

// Where a policy lacks a number without which it does what "fixed" does: a sentence that says so.
// Otherwise "". Caffe trains so, too.
std::string WhyRateStays(const proto::SolverParameter& solver);

// In all that follows, iterations count from 0 and `solver` has passed CheckLearningRate.

// Whether the rate of this iteration still comes from warmup_iter or rampup_interval.
bool WarmsUp(const proto::SolverParameter& solver, int64_t iteration);

// `plateau_steps`: how often the policy "plateau" has lowered the rate (see solvers/plateau.h).
double LearningRate(const proto::SolverParameter& solver, int64_t iteration, int plateau_steps = 0);

// How many steps the policies step and multistep have taken; 0 for the others.
int LearningRateSteps(const proto::SolverParameter& solver, int64_t iteration);

// By momentum_policy; `rate` is the learning rate of the same iteration.
double Momentum(const proto::SolverParameter& solver, int64_t iteration, double rate);

// From weight_decay, or towards max_weight_decay at max_iter; decay_mult comes on top.
double WeightDecay(const proto::SolverParameter& solver, int64_t iteration);

}  // namespace crema
