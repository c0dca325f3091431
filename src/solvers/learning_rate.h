// The learning rate as a function of the iteration (lr_policy).
#pragma once

#include <cstdint>

namespace crema {

namespace proto {
class SolverParameter;
}

// Throws Error where the policy is unknown or one of its numbers is missing or out of range.
void CheckLearningRate(const proto::SolverParameter& solver);

// The rate of iteration `iteration` (from 0). `solver` has passed CheckLearningRate.
double LearningRate(const proto::SolverParameter& solver, int64_t iteration);

// How many steps the policies step and multistep have taken; 0 for the others.
int LearningRateSteps(const proto::SolverParameter& solver, int64_t iteration);

}  // namespace crema
