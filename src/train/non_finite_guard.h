// Losses and gradients that are infinite or not a number end the training: noticed on the device
// with one pass over the gradients an iteration, and explained once it has happened.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "crema/context.h"
#include "crema/net.h"

namespace crema {

class NonFiniteGuard {
 public:
  // Says where the number came from, as FindNonFinite does. It takes time, so it is asked only when
  // an Error is about to be thrown.
  using Explain = std::function<std::string()>;

  // `stops` is the solver's stop_at_non_finite: without it there are warnings, one for training and
  // one for tests. `ctx` lives longer.
  NonFiniteGuard(const Context& ctx, bool stops);

  // Notes `iteration` if `x` holds such a number, unless one was noted before. Queues work only.
  void Note(const Tensor& x, int64_t iteration);

  // Throws Error if an iteration was noted, or warns. Waits for the device.
  void Check(const Explain& explain);

  // One batch of a test. `net` is the test net's number in the solver.
  struct TestBatch {
    int64_t iteration = 0;
    int net = 0, batch = 0;
  };
  // The same for the loss of that batch, a scalar on the device. Waits for the device.
  void CheckTestLoss(const Tensor& loss, const TestBatch& at, const Explain& explain);

 private:
  const Context& ctx_;
  bool stops_;
  Tensor first_;  // the iteration that was noted, a double; -1: none
  bool warned_ = false, warned_of_test_ = false;
};

// Throws Error if a weight of the net, or of `average` (empty: there is none), is not finite: such
// weights are not saved. Waits for the device.
void CheckWeightsFinite(Net* net, const Tensor& average, int64_t iteration);

}  // namespace crema
