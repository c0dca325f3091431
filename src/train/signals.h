// Turns SIGINT and SIGHUP into actions of the trainer.
#pragma once

#include "crema/train/trainer.h"

namespace crema {

// While it lives the two signals no longer end the process. At most one at a time.
class SignalWatcher {
 public:
  SignalWatcher(Action on_sigint, Action on_sighup);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // The action of a signal that came since the last call; SIGINT first.
  Action Poll();

 private:
  Action on_sigint_, on_sighup_;
};

}  // namespace crema
