// The seam between OpenDevice and the backends: cuda.cpp or no_cuda.cpp defines it.
#pragma once

#include <memory>

#include "crema/device/device.h"

namespace crema {

std::shared_ptr<Device> OpenCudaDevice(int index);

}  // namespace crema
