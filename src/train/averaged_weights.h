// A running average of the weights (ema_decay), which tests and snapshots use instead of them.
#pragma once

#include <cstdint>
#include <string>

#include "crema/context.h"
#include "train/flat_params.h"

namespace crema {

namespace proto {
class SolverProgress;
}

// Used on the thread that trains.
class AveragedWeights {
 public:
  // `decay` is from 0 to below 1: how much of the average an update keeps. With 0 there is no
  // average, and all calls but Restore do nothing. The average begins as the weights are now.
  // `ctx`, the net's, lives longer.
  AveragedWeights(double decay, const FlatParams& params, const Context& ctx);

  // After the update of the weights that was number `updates`, from 1. Queues work only.
  void Update(int64_t updates);

  // Exchanges the weights of the net (and of the nets that share them) for the average, or back;
  // nothing if they are there already. Queues work only. Throws Error if the device fails.
  void UseAverage(bool use);
  bool in_use() const { return in_use_; }

  // The average; while it is in use, the trained weights. Empty if there is none.
  const Tensor& average() const { return average_; }

  // The weights file of a snapshot has the average, so the trained weights go into the state.
  void Save(proto::SolverProgress* progress) const;
  // After the weights file has been loaded: the average begins as what that had, and the trained
  // weights are set, if the state has them. Throws Error, naming `path`, if they do not fit.
  void Restore(const proto::SolverProgress& progress, const std::string& path);

  // While it lives, the average is in use; then again what was before.
  class InUse;

 private:
  void Begin();

  double decay_;
  FlatParams params_;
  const Context& ctx_;
  Tensor average_;
  bool in_use_ = false;
};

class AveragedWeights::InUse {
 public:
  // `weights` lives longer.
  explicit InUse(AveragedWeights* weights);
  ~InUse();
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

 private:
  AveragedWeights& weights_;
  bool before_;
};

}  // namespace crema
