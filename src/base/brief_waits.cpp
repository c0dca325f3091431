#include "crema/base/brief_waits.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <string>

#include "base/spin.h"

namespace crema {
namespace {

constexpr double kSpinSeconds = 200e-6;

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

// Run by a loader that was called by name (ld.so PROGRAM), this would be the loader's file.
bool IsProgram(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return !name.empty() && name.compare(0, 3, "ld-") != 0 && name.compare(0, 3, "ld.") != 0;
}

}  // namespace

void WaitBriefly(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (length <= 0 || !IsProgram(std::string(path, static_cast<size_t>(length)))) return;
  const auto rounds = static_cast<long>(kSpinSeconds / SecondsPerRound());
  setenv("GOMP_SPINCOUNT", std::to_string(rounds).c_str(), 1);
  path[length] = '\0';
  execv(path, argv);  // by its name, which the process then has
  execv("/proc/self/exe", argv);
  unsetenv("GOMP_SPINCOUNT");
}

}  // namespace crema
