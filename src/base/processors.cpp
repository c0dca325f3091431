#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/control_groups.h"
#include "base/numbers.h"

namespace crema {
namespace {

// Files of control groups hold a line or two; anything longer is not one.
std::string ReadShort(const std::string& path) {
  std::ifstream file(path);
  std::string text(4096, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

// Version 2: "200000 100000" or "max 100000". Version 1 has the numbers in two files.
double QuotaOfFolder(const std::string& folder) {
  std::string text = ReadShort(folder + "/cpu.max");
  if (text.empty()) {
    text = ReadShort(folder + "/cpu.cfs_quota_us") + " " + ReadShort(folder + "/cpu.cfs_period_us");
  }
  std::istringstream numbers(text);
  UsePlainNumbers(numbers);
  double quota = 0, period = 0;
  const bool limited = static_cast<bool>(numbers >> quota >> period) && quota > 0 && period > 0;
  return limited ? quota / period : 0;
}

double Least(double a, double b) { return a > 0 && b > 0 ? std::min(a, b) : std::max(a, b); }

int ProcessorsByAffinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace

double ProcessorQuota(const std::string& groups, const std::string& mount) {
  double quota = 0;
  for (const std::string& folder : ControlGroupFolders(groups, mount, "cpu")) {
    quota = Least(quota, QuotaOfFolder(folder));
  }
  return quota;
}

int AvailableProcessors() {
  static const double quota = [] {
    std::ifstream file("/proc/self/cgroup");
    std::ostringstream groups;
    groups << file.rdbuf();
    return ProcessorQuota(groups.str(), "/sys/fs/cgroup");
  }();
  const int processors = ProcessorsByAffinity();
  if (quota <= 0) return processors;
  return std::clamp(static_cast<int>(std::lround(std::min(quota, 1e6))), 1, processors);
}

}  // namespace crema
