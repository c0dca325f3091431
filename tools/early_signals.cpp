// The main thread blocks them, and they wait there. A thread that a library has started before main
// does not block them, and the system may choose it: so a handler sends them on to the main thread.
#include "early_signals.h"

#include <pthread.h>

#include <atomic>
#include <csignal>

namespace crema {
namespace {

constexpr int kSignals[] = {SIGINT, SIGHUP, SIGTERM};

pthread_t main_thread;
std::atomic<bool> holding{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not lock");

void SendOn(int signal) {
  if (holding) {
    pthread_kill(main_thread, signal);
  } else {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

void SetBlocked(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kSignals) sigaddset(&signals, signal);
  pthread_sigmask(how, &signals, nullptr);
}

// Sets `to` where there is `from`.
void Replace(void (*from)(int), void (*to)(int)) {
  for (const int signal : kSignals) {
    struct sigaction now;
    sigaction(signal, nullptr, &now);
    if (now.sa_handler == from) std::signal(signal, to);
  }
}

}  // namespace

void HoldSignals() {
  main_thread = pthread_self();
  SetBlocked(SIG_BLOCK);
  holding = true;
  Replace(SIG_DFL, SendOn);
}

void ReleaseSignals() {
  holding = false;
  Replace(SendOn, SIG_DFL);
  SetBlocked(SIG_UNBLOCK);
}

}  // namespace crema
