// What a device does that works at once: nothing is ever waited for. Devices with queues do all of
// it otherwise.
#include "crema/device.h"

#include <cstdlib>

#include "crema/error.h"

namespace crema {

void* Device::AllocatePinned(size_t bytes) {
  constexpr size_t kLine = 64;
  const size_t rounded = (bytes / kLine + 1) * kLine;  // 0 where it does not fit
  void* const memory = rounded < bytes ? nullptr : std::aligned_alloc(kLine, rounded);
  if (memory == nullptr) Fail("out of memory: cannot allocate ", bytes, " bytes");
  return memory;
}

void Device::FreePinned(void* memory) noexcept { std::free(memory); }

void Device::CopyInAsync(Queue /*queue*/, void* to, const void* pinned, size_t bytes) {
  CopyIn(to, pinned, bytes);
}

void Device::CopyOutAsync(Queue /*queue*/, void* pinned, const void* from, size_t bytes) {
  CopyOut(pinned, from, bytes);
}

std::unique_ptr<Event> Device::MakeEvent() { return std::make_unique<Event>(); }

void Device::Record(Queue /*queue*/, Event* /*event*/) {}

void Device::WaitFor(Queue /*queue*/, const Event& /*event*/) {}

void Device::Synchronize(const Event& /*event*/) {}

bool Device::IsDone(const Event& /*event*/) { return true; }

void Device::BeginCapture() {
  Fail("the ", name(), " does its work at once and cannot capture it; use a GPU");
}

std::unique_ptr<CapturedWork> Device::EndCapture() { Fail("no work is being captured"); }

void Device::Replay(const CapturedWork& /*work*/) { Fail("no work was captured"); }

}  // namespace crema
