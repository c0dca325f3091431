#include "train/signals.h"

#include <atomic>
#include <csignal>

#include "crema/base/error.h"

namespace crema {
namespace {

struct Watched {
  int signal;
  std::atomic<bool> came;
  struct sigaction old;
};
Watched watched[] = {{SIGTERM, {false}, {}}, {SIGINT, {false}, {}}, {SIGHUP, {false}, {}}};
std::atomic<bool> watching{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not lock");

void Remember(int signal) {
  for (Watched& entry : watched) {
    if (entry.signal == signal) entry.came = true;
  }
}

}  // namespace

SignalWatcher::SignalWatcher(Action on_sigint, Action on_sighup, Action on_sigterm)
    : on_sigint_(on_sigint), on_sighup_(on_sighup), on_sigterm_(on_sigterm) {
  CREMA_CHECK(!watching.exchange(true), "two signal watchers");
  struct sigaction action = {};
  action.sa_handler = Remember;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  for (Watched& entry : watched) {
    entry.came = false;
    sigaction(entry.signal, &action, &entry.old);
  }
}

SignalWatcher::~SignalWatcher() {
  for (Watched& entry : watched) sigaction(entry.signal, &entry.old, nullptr);
  watching = false;
}

Action SignalWatcher::Poll() {
  for (Watched& entry : watched) {
    const Action action = entry.signal == SIGTERM  ? on_sigterm_
                          : entry.signal == SIGINT ? on_sigint_
                                                   : on_sighup_;
    if (!entry.came.exchange(false) || action == Action::kNone) continue;
    if (action == Action::kStop) stopped_by_ = entry.signal;
    return action;
  }
  return Action::kNone;
}

}  // namespace crema
