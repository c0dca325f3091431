// The CUDA backend of a build without CUDA.
#include "crema/error.h"
#include "device/open.h"

namespace crema {

std::shared_ptr<Device> OpenCudaDevice(int index) {
  Fail("cannot use GPU ", index, ": ", WhyNoCuda());
}

std::vector<CudaDeviceInfo> ListCudaDevices() { return {}; }

std::string WhyNoCuda() {
  return "this build of crema has no CUDA support; configure it with -DCREMA_CUDA=ON";
}

}  // namespace crema
