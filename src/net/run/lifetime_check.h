// A check for tests of when the plan says that memory is needed.
#pragma once

#include <cstddef>

#include "net/run/planned_memory.h"

namespace crema {

// If it is on, memory becomes NaNs as soon as its last planned reader has run: whoever reads it
// later computes NaNs, which a test sees. Lanes may call EndLaneStep at once, each for itself.
class LifetimeCheck {
 public:
  // `memory` must outlive this.
  LifetimeCheck(const PlannedMemory& memory, bool is_on) : memory_(memory), is_on_(is_on) {}

  bool is_on() const { return is_on_; }

  // All of the arena.
  void BeginPass() const;
  // What is needed for the last time in this step (see ForwardStep in net/passes.h), in the arena.
  void EndStep(int step) const;
  // The same in a lane.
  void EndLaneStep(size_t slices, size_t lane, int step) const;

 private:
  const PlannedMemory& memory_;
  bool is_on_;
};

}  // namespace crema
