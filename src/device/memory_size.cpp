#include "device/memory_size.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/control_groups.h"
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

// A file with one number, or with "max"; no limit if there is no file.
uint64_t Limit(const std::string& path) {
  std::ifstream file(path);
  UsePlainNumbers(file);
  uint64_t bytes = 0;
  return file >> bytes ? bytes : kNoLimit;
}

uint64_t LimitOfGroups(const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  std::ostringstream groups;
  groups << file.rdbuf();
  uint64_t least = kNoLimit;
  for (const std::string& folder :
       ControlGroupFolders(groups.str(), root + "/sys/fs/cgroup", "memory")) {
    least =
        std::min({least, Limit(folder + "/memory.max"), Limit(folder + "/memory.limit_in_bytes")});
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
