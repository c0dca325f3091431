#include "base/child_process.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

namespace crema {
namespace {

// A child that waits for a lock takes no time of a processor; this ends it.
constexpr unsigned kPatience = 10;  // seconds for each second of work
constexpr int kTries = 3;
constexpr int kCrashSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kHasSanitizer = true;
#elif defined(__has_feature)
constexpr bool kHasSanitizer = __has_feature(address_sanitizer);
#else
constexpr bool kHasSanitizer = false;
#endif

template <class Resource>
void Limit(Resource resource, rlim_t soft, rlim_t hard) {
  const rlimit limit = {soft, hard};
  setrlimit(resource, &limit);
}

[[noreturn]] void RunAndExit(const std::function<void()>& work, unsigned cpu_seconds) {
  // A sanitizer's own handler says where the fault was.
  for (int signal : kCrashSignals) {
    if (!kHasSanitizer) std::signal(signal, SIG_DFL);
  }
  Limit(RLIMIT_CORE, 0, 0);
  Limit(RLIMIT_CPU, cpu_seconds, cpu_seconds + 1);
  std::signal(SIGXCPU, SIG_DFL);
  std::signal(SIGALRM, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  alarm(cpu_seconds * kPatience);
  try {
    work();
  } catch (...) {
    // An exception is an answer.
  }
  _exit(0);
}

// What became of the child as FaultInChild says it; none where it was ended while it waited.
std::optional<std::string> Await(pid_t child, unsigned cpu_seconds) {
  int status = 0;
  rusage used = {};
  while (wait4(child, &status, 0, &used) < 0) {
    if (errno != EINTR) return "";
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status) == 0 ? "" : "crashes";
  switch (WTERMSIG(status)) {
    case SIGALRM:
      if (2 * (used.ru_utime.tv_sec + used.ru_stime.tv_sec) < time_t{cpu_seconds})
        return std::nullopt;
      [[fallthrough]];
    case SIGXCPU: return "does not come to an end";
    case SIGKILL:  // for want of memory, or by hand
    case SIGTERM:
    case SIGINT:
    case SIGHUP: return "";
    default: return std::string("crashes (") + strsignal(WTERMSIG(status)) + ")";
  }
}

}  // namespace

// A lock that another thread held when the child was made stays locked there: that says nothing of
// the work, and the next child hardly meets it again.
std::string FaultInChild(const std::function<void()>& work, unsigned cpu_seconds) {
  for (int i = 0; i < kTries; ++i) {
    const pid_t child = fork();
    if (child < 0) return "";
    if (child == 0) RunAndExit(work, cpu_seconds);
    if (const auto fault = Await(child, cpu_seconds)) return *fault;
  }
  return "";
}

}  // namespace crema
