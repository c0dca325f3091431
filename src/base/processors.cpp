#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

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

// The least quota from the folder of `group` up to the mount.
double QuotaOfPath(const std::string& mount, std::string group) {
  double quota = 0;
  while (!group.empty() && group != "/") {
    quota = Least(quota, QuotaOfFolder(mount + group));
    group.resize(group.rfind('/'));
  }
  return Least(quota, QuotaOfFolder(mount));
}

// Whether `list`, as in "cpu,cpuacct", has `name`.
bool HasController(const std::string& list, const std::string& name) {
  std::istringstream controllers(list);
  for (std::string one; std::getline(controllers, one, ',');) {
    if (one == name) return true;
  }
  return false;
}

int ProcessorsByAffinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace

double ProcessorQuota(const std::string& groups, const std::string& mount) {
  double quota = 0;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {  // "ID:CONTROLLERS:/PATH"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      quota = Least(quota, QuotaOfPath(mount, group));
      quota = Least(quota, QuotaOfPath(mount + "/unified", group));
    } else if (HasController(controllers, "cpu")) {
      quota = Least(quota, QuotaOfPath(mount + "/" + controllers, group));
      quota = Least(quota, QuotaOfPath(mount + "/cpu", group));
    }
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
