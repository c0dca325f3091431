#include "train/interruptible_pass.h"

#include <atomic>

namespace crema {
namespace {

// Layers that several threads run for parts of the batch: one thread asks, the one that called
// Forward, and all give up.
class InterruptWatch : public PassObserver {
 public:
  explicit InterruptWatch(const Interrupt& interrupt) : interrupt_(interrupt) {}

  void BeforeForward(int /*layer*/, int lane) override {
    if (lane == 0 && interrupt_()) interrupted_ = true;
    if (interrupted_) throw PassInterrupted();
  }
  void BeforeBackward(int layer) override { BeforeForward(layer, 0); }

 private:
  const Interrupt& interrupt_;
  std::atomic<bool> interrupted_{false};
};

}  // namespace

void RunForward(uint64_t step, const Interrupt& interrupt, Net* net) {
  if (!interrupt) return net->Forward(step);
  InterruptWatch watch(interrupt);
  net->Forward(step, &watch);
}

void RunBackward(const Interrupt& interrupt, Net* net) {
  if (!interrupt) return net->Backward();
  InterruptWatch watch(interrupt);
  net->Backward(&watch);
}

}  // namespace crema
