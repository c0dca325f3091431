// Where numbers live and are worked on: memory, copies, and ordered queues of work.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace crema {

// kFake stands for a GPU in tests: its memory cannot be read by the host outside a launch.
enum class DeviceKind { kCpu, kCuda, kFake };

const char* ToString(DeviceKind kind);  // "CPU", "GPU", "fake GPU"

// The queues (streams) of a device. Work of one queue runs in the order in which it was given; that
// of two may run at once, unless one waits for an event of the other.
enum class Queue {
  kMain,  // all kernels, and all that takes no Queue
  kSide,  // copies, and exchanges with other devices, beside the kernels
};

// A point in the work of the device that made it, once it was recorded. It may be recorded again
// and again, and stands for the last time. It must not outlive the device.
class Event {
 public:
  virtual ~Event() = default;
};

// Work of the main queue that was captured, to be replayed on the same device, which it must not
// outlive. It must be there, and the memory that it works with where it was, until replays are
// done.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
};

// One device and its queues. On a GPU the calls return before the work is done, except where noted;
// the CPU has done it by then. A Device may be used by one thread at a time; two Devices are
// independent.
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

  // Waits until all work given so far is done, in all queues.
  virtual void Synchronize() = 0;

  // Memory of the host that a GPU can copy from and to by itself, aligned to 64 bytes. The caller
  // owns it and returns it with FreePinned, which waits for all work as Free does. Throws Error
  // if there is not enough. It is scarce: the system cannot use it for anything else.
  virtual void* AllocatePinned(size_t bytes);
  virtual void FreePinned(void* memory) noexcept;

  // Between pinned memory and the device, in that queue, which waits for no other: the memory may
  // be used again once an event that was recorded there later is done.
  virtual void CopyInAsync(Queue queue, void* to, const void* pinned, size_t bytes);
  virtual void CopyOutAsync(Queue queue, void* pinned, const void* from, size_t bytes);

  // The caller owns it.
  virtual std::unique_ptr<Event> MakeEvent();
  // The event now stands for all work that was given to the queue so far. `event` is this device's,
  // here and below.
  virtual void Record(Queue queue, Event* event);
  // Work that is given to the queue from now on waits for the event. Does not wait itself. An event
  // that was never recorded is done.
  virtual void WaitFor(Queue queue, const Event& event);
  // Waits for the event.
  virtual void Synchronize(const Event& event);
  // Whether it is done already.
  virtual bool IsDone(const Event& event);

  // An iteration has a part for the host (to upload data, to set the step) and one that is the same
  // each time. The second part can be captured once, and replayed then at far less cost than that
  // of giving each kernel again. Between the two calls, work of the main queue is noted and not
  // done, and all that a replay could not repeat is an Error: to allocate or free memory, to copy
  // from or to the host, to wait, to make a handle of a library. So whatever is to be captured is
  // run before as usual, until all scratch memory and all handles are there.
  //
  // Not on the CPU: there BeginCapture throws Error.
  virtual bool CanCapture() const { return false; }
  virtual void BeginCapture();
  // Ends the capture, also after an Error within it. Throws Error if the work cannot be replayed.
  virtual std::unique_ptr<CapturedWork> EndCapture();
  // Gives the work to the main queue, as if by the same calls. `work` is this device's.
  virtual void Replay(const CapturedWork& work);
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
