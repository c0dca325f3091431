// crema device_query: the GPUs that can be used now.
#include <algorithm>
#include <iostream>

#include "base/strings.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "crema/error.h"

namespace crema {

namespace {

bool IsWanted(const CudaDeviceInfo& gpu) {
  if (FLAGS_gpu.empty() || FLAGS_gpu == "all") return true;
  const std::vector<std::string> ids = NamesFromFlag("gpu", FLAGS_gpu);
  return std::find(ids.begin(), ids.end(), std::to_string(gpu.index)) != ids.end();
}

void Print(const CudaDeviceInfo& gpu) {
  std::cout << "GPU " << gpu.index << ": " << gpu.name
            << "\n  memory: " << BytesToString(static_cast<double>(gpu.memory_bytes))
            << "\n  multiprocessors: " << gpu.multiprocessors
            << "\n  compute capability: " << gpu.compute_major << "." << gpu.compute_minor << "\n";
}

}  // namespace

int RunDeviceQuery(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments);
  const std::vector<CudaDeviceInfo> gpus = ListCudaDevices();
  const auto wanted = std::count_if(gpus.begin(), gpus.end(), IsWanted);
  if (!FLAGS_gpu.empty() && gpus.empty()) Fail("no GPU is usable: ", WhyNoCuda());
  if (!FLAGS_gpu.empty() && wanted == 0) {
    Fail("--gpu=", FLAGS_gpu, ": no such GPU; GPUs are numbered from 0 to ", gpus.size() - 1);
  }
  for (const CudaDeviceInfo& gpu : gpus) {
    if (IsWanted(gpu)) Print(gpu);
  }
  if (gpus.empty()) std::cout << "No GPU: " << WhyNoCuda() << "\n";
  std::cout << std::flush;
  return 0;
}

}  // namespace crema
