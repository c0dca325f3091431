// The losses of the last iterations, on the device: what the log shows is their mean.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "crema/context.h"
#include "crema/tensor.h"

namespace crema {

namespace proto {
class SolverProgress;
}

// Holds the last `size` losses, and beside them the pending loss of an iteration that is under way.
// That counts only once it is accepted, so an iteration that is given up leaves nothing behind.
class LossWindow {
 public:
  // `size` (average_loss) is at least 1. The memory, of type `dtype`, grows with the number of
  // losses. `ctx` lives longer.
  LossWindow(const Context& ctx, DType dtype, int size);

  // Sets the pending loss to 0. Queues work only, but waits for the device when memory has to grow.
  void Begin();
  // Adds weight * loss, a scalar on the device, to the pending loss. Queues work only.
  void Add(const Tensor& loss, double weight);
  // The pending loss, a scalar on the device; a view that is valid until the next Begin.
  Tensor pending() const;
  // The pending loss becomes the newest one of the window.
  void Accept() { ++accepted_; }

  // The mean of the window; not a number if it is empty. Waits for the device.
  double Mean() const { return MeanOf(accepted_); }
  // The same as if the pending loss had been accepted.
  double MeanWithPending() const { return MeanOf(accepted_ + 1); }

  // To and from a state, bit by bit. An earlier run's window may have been longer.
  void Save(proto::SolverProgress* progress) const;
  void Restore(const proto::SolverProgress& progress);

 private:
  void GrowIfFull();
  void Allocate(const std::vector<double>& ring);
  std::vector<double> Recent(int64_t accepted) const;
  double MeanOf(int64_t accepted) const;

  const Context& ctx_;
  DType dtype_;
  int size_;
  Tensor ring_;
  int64_t accepted_ = 0;  // so far; the pending loss is at accepted_ modulo the ring's size
};

}  // namespace crema
