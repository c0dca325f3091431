// How a pass of a net is given up between two layers.
#pragma once

#include <atomic>
#include <functional>

#include "crema/net/net.h"

namespace crema {

// Thrown out of a pass that is given up.
struct PassInterrupted {};

// Asks before every layer. Layers that several threads run for parts of the batch: one thread
// asks, the one that called Forward, and all give up.
class InterruptWatch : public PassObserver {
 public:
  explicit InterruptWatch(const std::function<bool()>& asks) : asks_(asks) {}

  void BeforeForward(int /*layer*/, int lane) override {
    if (lane == 0 && asks_()) interrupted_ = true;
    if (interrupted_) throw PassInterrupted();
  }
  void BeforeBackward(int layer) override { BeforeForward(layer, 0); }

 private:
  const std::function<bool()>& asks_;
  std::atomic<bool> interrupted_{false};
};

}  // namespace crema
