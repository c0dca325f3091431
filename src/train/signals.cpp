#include "train/signals.h"

#include <atomic>
#include <csignal>

#include "crema/error.h"

namespace crema {
namespace {

struct Watched {
  int signal;
  std::atomic<bool> came, ends_process;
  struct sigaction old;
};
Watched watched[] = {{SIGTERM, {false}, {false}, {}},
                     {SIGINT, {false}, {false}, {}},
                     {SIGHUP, {false}, {false}, {}}};
std::atomic<bool> watching{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not lock");

void Remember(int signal) {
  for (Watched& entry : watched) {
    if (entry.signal != signal) continue;
    entry.came = true;
    if (!entry.ends_process) continue;
    std::signal(signal, SIG_DFL);
    std::raise(signal);
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
    entry.came = entry.ends_process = false;
    sigaction(entry.signal, &action, &entry.old);
  }
}

SignalWatcher::~SignalWatcher() {
  for (Watched& entry : watched) sigaction(entry.signal, &entry.old, nullptr);
  watching = false;
}

Action SignalWatcher::ActionOf(int signal) const {
  return signal == SIGTERM ? on_sigterm_ : signal == SIGINT ? on_sigint_ : on_sighup_;
}

void SignalWatcher::SetStopEndsProcess(bool on) {
  for (Watched& entry : watched) entry.ends_process = on && ActionOf(entry.signal) == Action::kStop;
}

bool SignalWatcher::Stopping() {
  for (const Watched& entry : watched) {
    if (!entry.came || ActionOf(entry.signal) != Action::kStop) continue;
    stopped_by_ = entry.signal;
    return true;
  }
  return false;
}

Action SignalWatcher::Poll() {
  for (Watched& entry : watched) {
    const Action action = ActionOf(entry.signal);
    if (!entry.came.exchange(false) || action == Action::kNone) continue;
    if (action == Action::kStop) stopped_by_ = entry.signal;
    return action;
  }
  return Action::kNone;
}

}  // namespace crema
