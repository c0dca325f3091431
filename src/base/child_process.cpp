#include "base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>

#include "base/sanitizers.h"
#include "base/standard_streams.h"

namespace crema {
namespace {

constexpr int kTries = 3;
// Of all children together, in seconds for each second of work: others may use the processors, too.
constexpr unsigned kPatience = 5;
constexpr int kCrashSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

template <class Resource>
void Limit(Resource resource, rlim_t soft, rlim_t hard) {
  const rlimit limit = {soft, hard};
  setrlimit(resource, &limit);
}

// It does not outlive the parent, whose files and locks it holds.
[[noreturn]] void RunAndExit(const std::function<void()>& work, unsigned cpu_seconds,
                             pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  OpenStandardStreams();  // what a crash says must not go into a file
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
  alarm(kPatience * cpu_seconds + 1);  // if the parent is gone
  try {
    work();
  } catch (...) {
    // An exception is an answer.
  }
  _exit(0);
}

using Clock = std::chrono::steady_clock;

constexpr int kLookMs = 20;

struct Limits {
  unsigned cpu_seconds;
  Clock::duration idle;
  Clock::time_point deadline;
};

// What the child has used so far; 0 before it runs, and if the system does not say.
double CpuSeconds(pid_t child) {
  clockid_t clock = 0;
  timespec used = {};
  if (clock_getcpuclockid(child, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

// Whether a child that is watched has not worked for some time.
class Standstill {
 public:
  explicit Standstill(Clock::duration limit) : limit_(limit) {}
  bool Lasts(double cpu_seconds) {
    const auto now = Clock::now();
    if (cpu_seconds == 0 || cpu_seconds > before_) since_ = now;
    before_ = cpu_seconds;
    return now - since_ >= limit_;
  }

 private:
  Clock::duration limit_;
  Clock::time_point since_ = Clock::now();
  double before_ = 0;
};

struct Outcome {
  bool known = false, stood_still = false, was_late = false;
  int status = 0;
  rusage used = {};
};

// Waits for the end of the child, which it brings about if need be. `lifeline` is closed when the
// child ends, but perhaps later, if another thread forks, too; so it only saves time.
Outcome Await(pid_t child, int lifeline, const Limits& limits) {
  Outcome outcome;
  Standstill standstill(limits.idle);
  int look_ms = kLookMs;
  while (true) {
    pollfd end = {lifeline, POLLIN, 0};
    poll(&end, 1, look_ms);
    const pid_t ended = wait4(child, &outcome.status, WNOHANG, &outcome.used);
    outcome.known = ended == child;
    if (outcome.known || (ended < 0 && errno != EINTR)) return outcome;
    if (end.revents != 0) {  // it is about to end
      lifeline = -1;
      look_ms = 1;
    }
    if (outcome.stood_still || outcome.was_late) continue;
    outcome.stood_still = standstill.Lasts(CpuSeconds(child));
    outcome.was_late = Clock::now() >= limits.deadline;
    if (outcome.stood_still || outcome.was_late) kill(child, SIGKILL);
  }
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

// As FaultInChild says it; none if the child was ended while it waited.
std::optional<std::string> FaultOf(const Outcome& outcome, unsigned cpu_seconds) {
  if (!outcome.known) return "";
  if (WIFEXITED(outcome.status)) return WEXITSTATUS(outcome.status) == 0 ? "" : "crashes";
  const double used = Seconds(outcome.used.ru_utime) + Seconds(outcome.used.ru_stime);
  const int signal = WTERMSIG(outcome.status);
  if (signal == SIGXCPU) return "does not finish";
  if (outcome.was_late || signal == SIGALRM) {
    return 2 * used >= cpu_seconds ? "does not finish" : "";
  }
  if (outcome.stood_still) return std::nullopt;
  switch (signal) {
    case SIGKILL:  // for want of memory, or by hand
    case SIGTERM:
    case SIGINT:
    case SIGHUP: return "";
    default: return std::string("crashes (") + strsignal(signal) + ")";
  }
}

// One child; none as above, or if there is no child.
std::optional<std::string> Try(const std::function<void()>& work, const Limits& limits) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) ends[0] = ends[1] = -1;
  const pid_t parent = getpid(), child = fork();
  if (child == 0) RunAndExit(work, limits.cpu_seconds, parent);
  if (ends[1] >= 0) close(ends[1]);
  std::optional<std::string> fault = "";
  if (child > 0) fault = FaultOf(Await(child, ends[0], limits), limits.cpu_seconds);
  if (ends[0] >= 0) close(ends[0]);
  return fault;
}

}  // namespace

// fork, because the work is a function of this process, and a library has no program of its own
// that it could start instead. A lock that another thread held when the child was made stays locked
// there: that says nothing of the work, and the next child hardly meets it again.
std::string FaultInChild(const std::function<void()>& work, unsigned cpu_seconds, int idle_ms) {
  const Limits limits = {cpu_seconds, std::chrono::milliseconds(idle_ms),
                         Clock::now() + std::chrono::seconds(kPatience * cpu_seconds)};
  for (int i = 0; i < kTries && Clock::now() < limits.deadline; ++i) {
    if (const auto fault = Try(work, limits)) return *fault;
  }
  return "";
}

}  // namespace crema
