#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "crema/device.h"
#include "crema/error.h"
#include "device/open.h"

namespace crema {
namespace {

constexpr size_t kLine = 64, kHugePage = size_t{2} << 20;

// What a small net uses again and again lies in few pages then, whose addresses the processor has
// at hand. More takes the system too long to clear, and comes from memory, not from a cache,
// anyway.
bool WantsHugePages(size_t bytes) { return bytes >= kHugePage && bytes <= 32 * kHugePage; }

class CpuDevice : public Device {
 public:
  DeviceKind kind() const override { return DeviceKind::kCpu; }
  std::string name() const override { return "CPU"; }

  void* Allocate(size_t bytes) override {
    const size_t unit = WantsHugePages(bytes) ? kHugePage : kLine;
    const size_t rounded = bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
    void* memory = rounded < bytes ? nullptr : std::aligned_alloc(unit, rounded);
    if (memory == nullptr) {
      Fail("out of memory: cannot allocate ", bytes, " bytes; use a smaller batch size");
    }
#ifdef MADV_HUGEPAGE
    // Where the system will not, nothing is lost.
    if (unit == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    return memory;
  }
  void Free(void* memory) noexcept override { std::free(memory); }

  void CopyIn(void* to, const void* from, size_t bytes) override { Copy(to, from, bytes); }
  void CopyOut(void* to, const void* from, size_t bytes) override { Copy(to, from, bytes); }
  void Copy(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void Zero(void* to, size_t bytes) override {
    if (bytes > 0) std::memset(to, 0, bytes);
  }
  using Device::Synchronize;
  void Synchronize() override {}
};

}  // namespace

const char* ToString(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kCpu: return "CPU";
    case DeviceKind::kCuda: return "GPU";
    case DeviceKind::kFake: return "fake GPU";
  }
  return "?";
}

std::string CudaDeviceName(int index, const std::string& model) {
  return Concat("GPU ", index, " (", model, ")");
}

const CudaDeviceInfo* FindCudaDevice(const std::vector<CudaDeviceInfo>& devices,
                                     const std::string& name) {
  for (const CudaDeviceInfo& info : devices) {
    if (CudaDeviceName(info.index, info.name) == name) return &info;
  }
  return nullptr;
}

std::shared_ptr<Device> OpenDevice(DeviceKind kind, int index) {
  switch (kind) {
    case DeviceKind::kCpu:
      if (index != 0) Fail("there is no CPU ", index, "; use index 0");
      return std::make_shared<CpuDevice>();
    case DeviceKind::kCuda: return OpenCudaDevice(index);
    case DeviceKind::kFake: break;
  }
  Fail("the fake GPU is only for crema's own tests; use the CPU or a GPU");
}

}  // namespace crema
