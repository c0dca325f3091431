// Where numbers live and are worked on: memory, copies, and one ordered queue of work.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace crema {

// kFake stands for a GPU in tests: its memory cannot be read by the host outside a launch.
enum class DeviceKind { kCpu, kCuda, kFake };

const char* ToString(DeviceKind kind);  // "CPU", "GPU", "fake GPU"

// One device and its queue (stream). Work on a device runs in the order in which it was given;
// on a GPU the calls return before the work is done, except where noted. A Device may be used by
// one thread at a time; two Devices are independent.
class Device {
 public:
  // Waits for its work. All memory has been returned by then.
  virtual ~Device() = default;

  // Never changes; which kernels can run here.
  virtual DeviceKind kind() const = 0;
  // For people, as "CPU" or "GPU 0 (NVIDIA H200)".
  virtual std::string name() const = 0;

  // Memory of `bytes` bytes, aligned to 64 bytes, its content unspecified. The caller owns it and
  // returns it with Free. Throws Error with the size asked for when there is not enough.
  virtual void* Allocate(size_t bytes) = 0;
  // Takes what Allocate gave, or null. Waits for work that was given so far and may use it.
  virtual void Free(void* memory) noexcept = 0;

  // Host to device; `from` may be reused on return.
  virtual void CopyIn(void* to, const void* from, size_t bytes) = 0;
  // Device to host; waits for all earlier work.
  virtual void CopyOut(void* to, const void* from, size_t bytes) = 0;
  // Within the device; the ranges must not overlap.
  virtual void Copy(void* to, const void* from, size_t bytes) = 0;
  // Sets all bytes to 0, which is the number 0 in every type.
  virtual void Zero(void* to, size_t bytes) = 0;

  // Waits until all work given so far is done.
  virtual void Synchronize() = 0;
};

// Opens the CPU (index must be 0) or a CUDA device. Throws Error where the device is absent or
// the build has no support for it.
std::shared_ptr<Device> OpenDevice(DeviceKind kind, int index = 0);

// What `crema device_query` prints: one entry a CUDA device that can be used now; empty without a
// driver, a device, or CUDA in the build.
struct CudaDeviceInfo {
  int index;
  std::string name;
  size_t memory_bytes;
  int multiprocessors;
  int compute_major, compute_minor;
};
// By index, which is what OpenDevice takes. Asks the driver each time, and opens nothing.
std::vector<CudaDeviceInfo> ListCudaDevices();

// Why ListCudaDevices() is empty, in a sentence; empty where it is not.
std::string WhyNoCuda();

}  // namespace crema
