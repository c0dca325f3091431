#include "device/room.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/numbers.h"
#include "device/open.h"

namespace crema {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// "MemTotal:       16384 kB".
uint64_t Total(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    UsePlainNumbers(words);
    std::string name;
    uint64_t kilobytes = 0;
    if (words >> name >> kilobytes && name == "MemTotal:") return kilobytes * 1024;
  }
  return kNoLimit;
}

// A file with one number, or with "max".
uint64_t Limit(const std::string& path) {
  std::ifstream file(path);
  UsePlainNumbers(file);
  uint64_t bytes = 0;
  return file >> bytes ? bytes : kNoLimit;
}

// The least limit of a group and of those that it is in. In a container the group's own path may be
// one of the host's, which is not to be seen there; the topmost then has the container's limit.
uint64_t LimitOfGroup(const std::string& mount, std::string group, const std::string& file) {
  uint64_t least = kNoLimit;
  while (true) {
    least = std::min(least, Limit(mount + group + "/" + file));
    if (group.empty()) return least;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

// Lines of the forms "0::/group" (version 2) and "4:memory:/group" (version 1).
uint64_t LimitOfGroups(const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  uint64_t least = kNoLimit;
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min(least, LimitOfGroup(root + "/sys/fs/cgroup", group, "memory.max"));
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      least = std::min(
          least, LimitOfGroup(root + "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

}  // namespace

size_t MemoryOfHost(const std::string& root) {
  const uint64_t bytes = std::min(Total(root), LimitOfGroups(root));
  return bytes == kNoLimit ? 0 : static_cast<size_t>(bytes);
}

size_t MemoryOfDevice(const Device& device) {
  if (device.kind() == DeviceKind::kCpu) return MemoryOfHost();
  if (device.kind() != DeviceKind::kCuda) return 0;
  const std::vector<CudaDeviceInfo> all = ListCudaDevices();
  const CudaDeviceInfo* const info = FindCudaDevice(all, device.name());
  return info == nullptr ? 0 : info->memory_bytes;
}

}  // namespace crema
