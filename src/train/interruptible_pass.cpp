#include "train/interruptible_pass.h"

#include <atomic>

namespace crema {
namespace {

// Layers that several threads run for parts of the batch: one thread asks, the one that called
// Forward, and all give up.
class InterruptWatch : public ForwardWatch {
 public:
  explicit InterruptWatch(const Interrupt& interrupt) : interrupt_(interrupt) {}

  void Before(int /*layer*/, int lane) override {
    if (lane == 0 && interrupt_()) interrupted_ = true;
    if (interrupted_) throw PassInterrupted();
  }
  void After(int /*layer*/, int /*lane*/) override {}

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
  for (int i = static_cast<int>(net->graph().layers.size()) - 1; i >= 0; --i) {
    if (interrupt()) throw PassInterrupted();
    net->BackwardLayer(i);
  }
}

}  // namespace crema
