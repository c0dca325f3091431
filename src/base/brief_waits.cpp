#include "crema/brief_waits.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/machine_load.h"
#include "base/spin.h"

namespace crema {
namespace {

// On a machine with much other work a thread that spins uses up the time that it is given, while
// the one it waits for is not even running.
constexpr double kSpinSeconds = 200e-6, kSpinSecondsOnOverload = 50e-6;

// What one round of a spinning wait takes; the least of several runs, since any may be interrupted.
double SecondsPerRound() {
  constexpr int kRounds = 200, kRuns = 5;
  double least = std::numeric_limits<double>::max();
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) SpinOnce();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    least = std::min(least, spent.count() / kRounds);
  }
  return std::max(least, 1e-10);
}

// What the system call sched_setattr takes, in its first version; the C library has no name for it.
struct SchedulerAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;  // ns
};

// Asks for turns of 0.1 ms, the least there is, instead of a few ms. The share of the processors
// stays the same, but a thread that has slept then runs at once (Linux 6.12 and later; earlier ones
// ignore it).
void AskForShortTurns() {
  SchedulerAttributes attributes = {};
  constexpr unsigned kSize = sizeof attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, kSize, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.size = kSize;
  attributes.runtime = 100000;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

// Run by a loader that was called by name (ld.so PROGRAM), this would be the loader's file.
bool IsProgram(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return !name.empty() && name.compare(0, 3, "ld-") != 0 && name.compare(0, 3, "ld.") != 0;
}

// The value of a variable in `environment`; null if it has none.
const char* Find(char** environment, const std::string& name) {
  for (char** entry = environment; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, (name + "=").c_str(), name.size() + 1) == 0) {
      return *entry + name.size() + 1;
    }
  }
  return nullptr;
}

struct Variable {
  std::string name, value;
};

// Whether `entry`, "NAME=VALUE", is one of these.
bool IsOneOf(const std::vector<Variable>& variables, const char* entry) {
  return std::any_of(variables.begin(), variables.end(), [entry](const Variable& variable) {
    const std::string start = variable.name + "=";
    return std::strncmp(entry, start.c_str(), start.size()) == 0;
  });
}

bool MayStartAgain(char** environment) {
  const char* const no = Find(environment, "CREMA_NO_RESTART");
  return no == nullptr || *no == '\0' || std::strcmp(no, "0") == 0;
}

// What makes waits brief; nothing if the user has chosen, or if it could not be set.
std::vector<Variable> BriefWaits(char** environment) {
  if (!MayStartAgain(environment)) return {};
  for (const char* chosen : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}) {
    if (Find(environment, chosen) != nullptr) return {};
  }
  const bool overloaded = MachineIsOverloaded();
  if (overloaded) AskForShortTurns();  // kept by the program that is started
  const double seconds = overloaded ? kSpinSecondsOnOverload : kSpinSeconds;
  const auto rounds = static_cast<long>(seconds / SecondsPerRound());
  return {{"GOMP_SPINCOUNT", std::to_string(rounds)}};
}

// Starts the program again, in the same process, with these variables. Returns if that fails.
void StartAgain(const std::vector<Variable>& variables, char** argv, char** environment) {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (length <= 0 || !IsProgram(std::string(path, static_cast<size_t>(length)))) return;
  path[length] = '\0';
  std::vector<std::string> added;
  for (const Variable& variable : variables) added.push_back(variable.name + "=" + variable.value);
  std::vector<char*> entries;
  for (std::string& entry : added) entries.push_back(&entry[0]);
  for (char** entry = environment; *entry != nullptr; ++entry) {
    if (!IsOneOf(variables, *entry)) entries.push_back(*entry);
  }
  entries.push_back(nullptr);
  execve(path, argv, entries.data());  // by its name, which the process then has
  execve("/proc/self/exe", argv, entries.data());
}

}  // namespace

void WaitBriefly(char** argv) {
  const std::vector<Variable> variables = BriefWaits(environ);
  if (!variables.empty() && MayStartAgain(environ)) StartAgain(variables, argv, environ);
}

void WaitBrieflyWithoutBlasThreads(char** argv, char** environment) {
  constexpr char kBlasThreads[] = "OPENBLAS_NUM_THREADS";
  std::vector<Variable> variables = BriefWaits(environment);
  const char* const threads = Find(environment, kBlasThreads);
  if (threads == nullptr || std::strcmp(threads, "1") != 0)
    variables.push_back({kBlasThreads, "1"});
  if (!variables.empty() && MayStartAgain(environment)) {
    StartAgain(variables, argv, environment);
  }
}

}  // namespace crema
