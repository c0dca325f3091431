#include "train/rate_schedule.h"

#include <glog/logging.h>

#include <algorithm>

#include "crema.pb.h"
#include "crema/error.h"
#include "solvers/learning_rate.h"
#include "solvers/plateau.h"

namespace crema {

RateSchedule::RateSchedule(const proto::SolverParameter& solver, bool less_is_better)
    : solver_(solver), less_is_better_(less_is_better) {
  if (solver.lr_policy() == "plateau") plateau_ = std::make_unique<Plateau>(solver);
}

RateSchedule::~RateSchedule() = default;

// As in SSD's Caffe, a warm-up does not count. A plateau counts how often it is asked, so it is
// asked once an iteration.
double RateSchedule::RateOf(int64_t iteration, const Metric& metric) {
  if (rate_of_ == iteration) return rate_;
  if (plateau_ == nullptr) {
    rate_ = LearningRate(solver_, iteration);
  } else {
    if (!WarmsUp(solver_, iteration)) ObservePlateau(iteration, metric);
    rate_ = LearningRate(solver_, iteration, plateau_->steps());
  }
  rate_of_ = iteration;
  return rate_;
}

void RateSchedule::ObservePlateau(int64_t iteration, const Metric& metric) {
  const std::optional<double> value = metric();
  if (!value.has_value()) return;
  if (!plateau_->Observe(*value, less_is_better_, iteration)) return;
  LOG(INFO) << Concat("Plateau Status: Iteration ", iteration, ", step = ", plateau_->steps());
}

// `current_step` is the step that the last update used, as Caffe counts it.
void RateSchedule::Save(int64_t updates, proto::SolverState* state) const {
  state->set_current_step(LearningRateSteps(solver_, std::max<int64_t>(0, updates - 1)));
  if (plateau_ != nullptr) plateau_->Save(state);
}

void RateSchedule::Restore(const proto::SolverState& state) {
  if (plateau_ != nullptr) plateau_->Restore(state);
}

}  // namespace crema
