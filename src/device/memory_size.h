// How much memory a device has.
#pragma once

#include <cstddef>
#include <string>

#include "crema/device.h"

namespace crema {

// In bytes, for all processes together; 0 where it is not known.
size_t MemoryOfDevice(const Device& device);

// The host's memory, or less if a control group (a container, a job of a cluster) has a limit.
// `root` is where /proc and /sys are, for tests.
size_t MemoryOfHost(const std::string& root = "/");

}  // namespace crema
