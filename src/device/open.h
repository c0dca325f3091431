// The seam between OpenDevice and the backends: cuda.cpp or no_cuda.cpp defines it.
#pragma once

#include <memory>
#include <string>

#include "crema/device.h"

namespace crema {

std::shared_ptr<Device> OpenCudaDevice(int index);

// "GPU 0 (NVIDIA H200)": the name() of a CUDA device, by its index and its model.
std::string CudaDeviceName(int index, const std::string& model);

// The entry of `devices` that is the one of that name(); nullptr if there is none.
const CudaDeviceInfo* FindCudaDevice(const std::vector<CudaDeviceInfo>& devices,
                                     const std::string& name);

}  // namespace crema
