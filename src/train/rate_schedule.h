// Where the learning rate of an iteration is decided: by the iteration alone (lr_policy, see
// solvers/learning_rate.h), or with the policy "plateau" also by a metric that is watched.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace crema {

namespace proto {
class SolverParameter;
class SolverState;
}  // namespace proto

class Plateau;

class RateSchedule {
 public:
  // `solver` has passed CheckSolver, and lives longer. `less_is_better`: of the watched metric.
  RateSchedule(const proto::SolverParameter& solver, bool less_is_better);
  ~RateSchedule();

  // The watched metric as it is now; none as long as no test has given it.
  using Metric = std::function<std::optional<double>()>;

  // The rate of the update of `iteration`, from 0. The first call of an iteration decides, further
  // calls give the same rate. Asks for the metric only if it matters now, since that may wait for
  // the device. Logs when a plateau lowers the rate.
  double RateOf(int64_t iteration, const Metric& metric);

  // To and from a state; `updates`: how many have been made.
  void Save(int64_t updates, proto::SolverState* state) const;
  void Restore(const proto::SolverState& state);

 private:
  void ObservePlateau(int64_t iteration, const Metric& metric);

  const proto::SolverParameter& solver_;
  bool less_is_better_;
  std::unique_ptr<Plateau> plateau_;  // null: another policy
  double rate_ = 0;
  int64_t rate_of_ = -1;  // the iteration that has this rate
};

}  // namespace crema
