// Turns SIGINT, SIGHUP and SIGTERM into actions of the trainer.
#pragma once

#include "crema/trainer.h"

namespace crema {

// While it lives the three signals no longer end the process. At most one at a time.
class SignalWatcher {
 public:
  // What each of them asks of the trainer. A signal that the process ignores from its start, as
  // SIGHUP below nohup, is watched all the same.
  SignalWatcher(Action on_sigint, Action on_sighup, Action on_sigterm);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // While on, a signal whose action is kStop ends the process at once, as it would without a
  // watcher: nothing has been trained yet. Off at first.
  void SetStopEndsProcess(bool on);

  // Whether a signal whose action is kStop has come; Poll still tells of it.
  bool Stopping();

  // The action of a signal that came since the last call; SIGTERM first, then SIGINT.
  Action Poll();

  // The signal whose action was the last kStop; 0: none.
  int stopped_by() const { return stopped_by_; }

 private:
  Action ActionOf(int signal) const;

  Action on_sigint_, on_sighup_, on_sigterm_;
  int stopped_by_ = 0;
};

}  // namespace crema
