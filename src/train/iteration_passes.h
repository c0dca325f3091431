// The forward and backward passes of an iteration, up to the gradients and the loss.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "train/gradient_pieces.h"
#include "train/interruptible_pass.h"
#include "train/loss_window.h"
#include "train/net_set.h"
#include "train/non_finite_guard.h"

namespace crema {

namespace proto {
class SolverParameter;
}

class IterationPasses {
 public:
  // All that is given lives longer. `interrupt` may be empty, and `combiner` null. A net whose
  // passes cannot be taken back (see CanTakeBack), or whose gradients others wait for, is never
  // interrupted.
  IterationPasses(const proto::SolverParameter& solver, NetSet* nets, LossWindow* losses,
                  NonFiniteGuard* guard, const Interrupt& interrupt, GradientCombiner* combiner);

  // False: no pass ever throws PassInterrupted.
  bool can_be_interrupted() const { return static_cast<bool>(interrupt_); }

  // Forward and backward for iter_size batches: leaves the sums of their gradients in the net, or
  // with a combiner the mean over all ranks of these sums, and their mean loss pending in the
  // window. `looks`: a result will be displayed, so it is checked now even if that waits for the
  // device; on the CPU it always is. Throws PassInterrupted, and Error for bad data or, after
  // Accept, for numbers that are not finite.
  void Run(int64_t iteration, bool looks);
  // Counts what Run has left: the loss joins the window, and the guard looks at it and at the
  // gradients.
  void Accept(int64_t iteration, bool looks);

  // Forward for one batch, always checked, its loss pending in the window: for a look at the net
  // after the last iteration. CheckLast follows it.
  void RunForwardOnly(int64_t iteration);
  void CheckLast(int64_t iteration);

  // Throws Error if a layer found its input wrong, or if a loss or gradient so far was not finite
  // (see NonFiniteGuard). Waits for the device.
  void CheckHealth();

 private:
  bool Looks(bool looks) const;
  void CheckFinite();
  std::string Explain() const;

  const proto::SolverParameter& solver_;
  NetSet& nets_;
  LossWindow& losses_;
  NonFiniteGuard& guard_;
  Interrupt interrupt_;
  std::optional<PieceObserver> combines_;  // none: there is nobody else
  uint64_t first_step_ = 0, passes_ = 0;   // of the last passes
};

}  // namespace crema
