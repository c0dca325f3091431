#include "solvers/plateau.h"

#include "crema.pb.h"

namespace crema {

Plateau::Plateau(const proto::SolverParameter& solver)
    : windows_(solver.plateau_winsize().begin(), solver.plateau_winsize().end()) {}

bool Plateau::Observe(double metric, bool less_is_better, int64_t iteration) {
  const auto value = static_cast<float>(metric);
  const bool better = less_is_better ? value < best_ : value > best_;
  if (better || (!seen_ && value == value)) {
    seen_ = true;
    best_ = value;
    last_event_ = iteration;
  }
  if (steps_ >= static_cast<int>(windows_.size())) return false;
  if (iteration < last_event_ + windows_[steps_]) return false;
  ++steps_;
  last_event_ = iteration;
  return true;
}

void Plateau::Save(proto::SolverState* state) const {
  state->set_current_step(steps_);
  state->set_iter_last_event(static_cast<int>(last_event_));
  state->mutable_progress()->set_plateau_event(last_event_);
  if (!seen_) return;
  state->set_minimum_loss(best_);
  state->mutable_progress()->set_plateau_best(best_);
}

// HDF5 states have the progress only, SSD's states only the others.
void Plateau::Restore(const proto::SolverState& state) {
  const proto::SolverProgress& progress = state.progress();
  steps_ = state.current_step();
  seen_ = progress.has_plateau_best() || state.has_minimum_loss();
  best_ = progress.has_plateau_best() ? progress.plateau_best() : state.minimum_loss();
  last_event_ = progress.has_plateau_event() ? progress.plateau_event() : state.iter_last_event();
}

}  // namespace crema
