// Everything that a training consists of, built from its solver.
#pragma once

#include <cstdint>
#include <memory>

#include "crema/trainer.h"
#include "train/averaged_weights.h"
#include "train/iteration_passes.h"
#include "train/loss_window.h"
#include "train/metric_watch.h"
#include "train/net_set.h"
#include "train/non_finite_guard.h"
#include "train/optimizer.h"
#include "train/progress_reporter.h"
#include "train/rate_schedule.h"
#include "train/test_schedule.h"
#include "train/tester.h"

namespace crema {

// Later members refer to earlier ones, so it stays where it is.
struct TrainingParts {
  // Builds the nets, loads the weights that the solver names unless a state is resumed, and checks
  // that all of it fits into memory. `solver` has passed CheckSolver and `rule` is its rule; the
  // device and the threads of `options` are set. `state`: that which will be restored, or null.
  // Throws Error for whatever does not fit together.
  TrainingParts(const proto::SolverParameter& solver, const TrainOptions& options,
                std::unique_ptr<UpdateRule> rule, const proto::SolverState* state);
  ~TrainingParts();
  TrainingParts(const TrainingParts&) = delete;
  TrainingParts& operator=(const TrainingParts&) = delete;

  // The rate of the update to come. See RateSchedule.
  double RateNow();

  std::unique_ptr<const proto::SolverParameter> solver;
  TrainOptions options;
  uint64_t seed = 0;      // of all random numbers
  int64_t iteration = 0;  // updates done
  TestSchedule test_schedule;
  ProgressReporter reporter;
  std::unique_ptr<NetSet> nets;
  std::unique_ptr<MetricWatch> metrics;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<RateSchedule> schedule;
  std::unique_ptr<AveragedWeights> average;
  std::unique_ptr<LossWindow> losses;
  std::unique_ptr<NonFiniteGuard> guard;
  std::unique_ptr<IterationPasses> passes;
  std::unique_ptr<Tester> tester;
};

}  // namespace crema
