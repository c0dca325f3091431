// Turns gradients into new weights: the solver's update rule with its histories, the multipliers of
// the parameters, clipping, momentum and decay, and local rates. The learning rate of an iteration
// is decided in rate_schedule.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crema/context.h"
#include "solvers/update_rule.h"
#include "train/flat_params.h"

namespace crema {

namespace proto {
class SolverParameter;
class SolverState;
}  // namespace proto

class LocalRates;
class ParamTable;

class Optimizer {
 public:
  // `solver` has passed CheckSolver, and `rule` is its rule for the context's device. Both `solver`
  // and `ctx`, the net's, live longer. The histories begin as zeros.
  Optimizer(const proto::SolverParameter& solver, std::unique_ptr<UpdateRule> rule,
            const FlatParams& params, const Context& ctx);
  ~Optimizer();

  // Updates the weights by the gradients that are there now: sums over iter_size batches.
  // `iteration` counts from 0; `rate` is its learning rate. Queues work only.
  void Update(int64_t iteration, double rate);

  // The histories and the means of larc_turbo, bit by bit; both wait for the device. Restore throws
  // Error, naming `path`, if the state is that of another net or rule.
  void Save(proto::SolverState* state) const;
  void Restore(const proto::SolverState& state, const std::string& path);

 private:
  UpdateStep StepOf(int64_t iteration, double rate) const;
  std::vector<Tensor> HistoryBlobs() const;
  void RestoreHistory(const proto::SolverState& state, const std::string& path);

  const proto::SolverParameter& solver_;
  std::unique_ptr<UpdateRule> rule_;
  FlatParams params_;
  const Context& ctx_;
  std::vector<Tensor> histories_;            // each arranged as the weights are
  std::unique_ptr<ParamTable> table_;        // the multipliers
  std::unique_ptr<LocalRates> local_rates_;  // null: none
  Tensor gradient_factor_;                   // see UpdateStep
};

}  // namespace crema
