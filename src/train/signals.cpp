#include "train/signals.h"

#include <atomic>
#include <csignal>

#include "crema/base/error.h"

namespace crema {
namespace {

std::atomic<bool> got_sigint{false}, got_sighup{false}, watching{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not lock");

struct sigaction old_sigint, old_sighup;

void Remember(int signal) {
  if (signal == SIGINT) got_sigint = true;
  if (signal == SIGHUP) got_sighup = true;
}

}  // namespace

SignalWatcher::SignalWatcher(Action on_sigint, Action on_sighup)
    : on_sigint_(on_sigint), on_sighup_(on_sighup) {
  CREMA_CHECK(!watching.exchange(true), "two signal watchers");
  got_sigint = got_sighup = false;
  struct sigaction action = {};
  action.sa_handler = Remember;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_sigint);
  sigaction(SIGHUP, &action, &old_sighup);
}

SignalWatcher::~SignalWatcher() {
  sigaction(SIGINT, &old_sigint, nullptr);
  sigaction(SIGHUP, &old_sighup, nullptr);
  watching = false;
}

Action SignalWatcher::Poll() {
  if (got_sigint.exchange(false) && on_sigint_ != Action::kNone) return on_sigint_;
  if (got_sighup.exchange(false)) return on_sighup_;
  return Action::kNone;
}

}  // namespace crema
