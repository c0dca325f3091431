// A GPU for tests on machines that have none. Its memory cannot be read or written by the host
// (PROT_NONE) except while a kernel runs; kernels are queued and run later, when somebody waits;
// their elements run in shuffled order; every block of memory ends at a guard page and starts out
// as NaN. It finds host pointers and `this` captured by kernels, host reads of device memory,
// missing waits, accesses out of bounds or after Free, reads of memory that nobody wrote, and
// results that depend on the order of elements. What it finds ends the process: with a message
// (CREMA_CHECK) or, for a wrong access, with SIGSEGV.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>

#include "crema/device.h"

namespace crema {

std::shared_ptr<Device> OpenFakeDevice();

// Queues work for a device made by OpenFakeDevice.
void LaunchOnFake(Device& device, std::function<void()> kernel);

// Whether the compiler can clear the padding of a closure. It holds leftovers, among them halves
// of old pointers, so captures are checked in such builds (GCC's) only.
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define CREMA_CHECKS_CAPTURES 1
#endif
#endif
#ifndef CREMA_CHECKS_CAPTURES
#define CREMA_CHECKS_CAPTURES 0
#endif

// Aborts where the bytes of a kernel's closure, its padding zero, hold an address of host memory:
// a GPU could not follow it.
void CheckFakeCaptures(Device& device, const void* closure, size_t bytes);

template <class F>
void CheckFakeCaptures(Device& device, const F& kernel) {
  static_assert(std::is_trivially_copyable_v<F>,
                "a kernel may capture numbers, device addresses and plain structs of them only");
#if CREMA_CHECKS_CAPTURES
  F copy = kernel;
  __builtin_clear_padding(&copy);
  CheckFakeCaptures(device, &copy, sizeof(copy));
#else
  (void)device, (void)kernel;
#endif
}

}  // namespace crema
