#include <cublas_v2.h>

#include <algorithm>
#include <cstring>

#include "base/libraries.h"
#include "crema/error.h"
#include "device/cuda_device.h"
#include "device/open.h"

namespace crema {
namespace {

// As NVIDIA advises for Hopper; ample for the others.
constexpr size_t kCublasWorkspaceBytes = size_t{32} << 20;

std::string Explain(cudaError_t status) {
  return Concat(cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
}

const char* AdviceFor(cudaError_t status) {
  switch (status) {
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
      return "; crema was built for other GPUs; rebuild it with this one in "
             "CMAKE_CUDA_ARCHITECTURES";
    case cudaErrorMemoryAllocation: return "; use a smaller batch size";
    case cudaErrorDevicesUnavailable:
      return "; another program may be using the GPU exclusively; see nvidia-smi";
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert: return "; run it under compute-sanitizer to find the faulty kernel";
    default: return "";
  }
}

std::string VersionText(int version) { return Concat(version / 1000, '.', version % 1000 / 10); }

std::string NoDriver() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return "no NVIDIA driver is installed on this machine";
  return Concat("the NVIDIA driver supports CUDA ", VersionText(driver),
                ", but this build of crema needs CUDA ", VersionText(runtime),
                "; update the driver");
}

const LibraryRegistration kCuda("CUDA", [] {
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  return VersionText(runtime);
});

int CountDevices(std::string* why_none) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  cudaGetLastError();  // so that no later call reports this one
  if (status == cudaErrorInsufficientDriver) {
    *why_none = NoDriver();
  } else if (status == cudaErrorNoDevice || status == cudaSuccess) {
    *why_none = "no NVIDIA GPU was found; check CUDA_VISIBLE_DEVICES";
  } else {
    *why_none = "CUDA failed to start: " + Explain(status);
  }
  return 0;
}

}  // namespace

StagingBuffer::~StagingBuffer() {
  for (cudaEvent_t event : done_) {
    if (event != nullptr) cudaEventDestroy(event);
  }
  if (memory_ != nullptr) cudaFreeHost(memory_);
}

cudaError_t StagingBuffer::Create() {
  for (cudaEvent_t& event : done_) {
    if (event != nullptr) continue;
    const cudaError_t status = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (status != cudaSuccess) return status;
  }
  return cudaHostAlloc(reinterpret_cast<void**>(&memory_), 2 * kHalfBytes, cudaHostAllocDefault);
}

cudaError_t StagingBuffer::NextHalf() {
  half_ = 1 - half_;
  used_ = 0;
  return cudaEventSynchronize(done_[half_]);  // returns at once where nothing was recorded
}

cudaError_t StagingBuffer::CopyIn(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  cudaError_t status = memory_ == nullptr ? Create() : cudaSuccess;
  auto* target = static_cast<char*>(to);
  auto* source = static_cast<const char*>(from);
  while (bytes > 0 && status == cudaSuccess) {
    if (used_ == kHalfBytes) {
      status = NextHalf();
      if (status != cudaSuccess) break;
    }
    const size_t piece = std::min(bytes, kHalfBytes - used_);
    char* staged = memory_ + half_ * kHalfBytes + used_;
    std::memcpy(staged, source, piece);
    status = cudaMemcpyAsync(target, staged, piece, cudaMemcpyHostToDevice, stream);
    if (status == cudaSuccess) status = cudaEventRecord(done_[half_], stream);
    used_ += piece;
    target += piece;
    source += piece;
    bytes -= piece;
  }
  return status;
}

CudaDevice::CudaDevice(int index) : index_(index) {
  std::string why_none;
  const int count = CountDevices(&why_none);
  if (count == 0) Fail("cannot use GPU ", index, ": ", why_none);
  if (index < 0 || index >= count) {
    Fail("there is no GPU ", index, "; this machine has ", count,
         count == 1 ? " (GPU 0)" : Concat(" (GPU 0 to ", count - 1, ")"));
  }
  name_ = Concat("GPU ", index);
  cudaDeviceProp properties;
  Check(cudaGetDeviceProperties(&properties, index), "asking for its properties");
  name_ = CudaDeviceName(index, properties.name);
  Check(cudaSetDevice(index_), "selecting it");
  Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  try {
    Check(cudaStreamCreateWithFlags(&side_stream_, cudaStreamNonBlocking), "creating a stream");
    reduce_buffer_ = Allocate(kReduceBytes);
  } catch (const Error&) {
    if (side_stream_ != nullptr) cudaStreamDestroy(side_stream_);
    cudaStreamDestroy(stream_);
    throw;
  }
}

CudaDevice::~CudaDevice() {
  cudaSetDevice(index_);
  cudaStreamSynchronize(stream_);
  cudaStreamSynchronize(side_stream_);
  if (cublas_ != nullptr) cublasDestroy(cublas_);
  cudaFree(cublas_workspace_);
  cudaFree(reduce_buffer_);
  cudaStreamDestroy(side_stream_);
  cudaStreamDestroy(stream_);
}

void CudaDevice::Check(cudaError_t status, const std::string& doing) const {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that no later call reports this one
  Fail(name_, ": ", doing, " failed: ", Explain(status), AdviceFor(status));
}

void CudaDevice::CheckLaunch() const { Check(cudaGetLastError(), "launching a kernel"); }

cudaStream_t CudaDevice::stream(Queue queue) const {
  Check(cudaSetDevice(index_), "selecting it");
  return queue == Queue::kMain ? stream_ : side_stream_;
}

void CudaDevice::CheckNoCapture(const char* what) const {
  if (!captures_) return;
  Fail(name_, ": work that is captured ", what, "; do that before the capture, by a pass as usual");
}

void* CudaDevice::Allocate(size_t bytes) {
  CheckNoCapture("allocates memory");
  stream();
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, std::max<size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    Fail(name_, ": out of memory: cannot allocate ", bytes, " bytes (", free, " of ", total,
         " bytes are free); use a smaller batch size");
  }
  Check(status, Concat("allocating ", bytes, " bytes"));
  return memory;
}

void CudaDevice::Free(void* memory) noexcept {
  cudaSetDevice(index_);
  cudaStreamSynchronize(stream_);
  cudaStreamSynchronize(side_stream_);
  cudaFree(memory);
}

void CudaDevice::CopyIn(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  CheckNoCapture("copies from the host");
  Check(staging_.CopyIn(to, from, bytes, stream()), Concat("copying ", bytes, " bytes to it"));
}

void CudaDevice::CopyOut(void* to, const void* from, size_t bytes) {
  CheckNoCapture("copies to the host");
  if (bytes > 0) {
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream()),
          Concat("copying ", bytes, " bytes from it"));
  }
  Synchronize();
}

void CudaDevice::Copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()),
        Concat("copying ", bytes, " bytes within it"));
}

void CudaDevice::Zero(void* to, size_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemsetAsync(to, 0, bytes, stream()), Concat("clearing ", bytes, " bytes"));
}

void CudaDevice::Synchronize() {
  CheckNoCapture("waits");
  Check(cudaStreamSynchronize(stream()), "waiting for its work");
  Check(cudaStreamSynchronize(side_stream_), "waiting for its copies");
}

void* CudaDevice::AllocatePinned(size_t bytes) {
  CheckNoCapture("allocates memory");
  stream();
  void* memory = nullptr;
  const cudaError_t status =
      cudaHostAlloc(&memory, std::max<size_t>(bytes, 1), cudaHostAllocDefault);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    Fail(name_, ": out of memory: cannot allocate ", bytes, " pinned bytes of the host");
  }
  Check(status, Concat("allocating ", bytes, " pinned bytes"));
  return memory;
}

void CudaDevice::FreePinned(void* memory) noexcept {
  if (memory == nullptr) return;
  cudaSetDevice(index_);
  cudaStreamSynchronize(stream_);
  cudaStreamSynchronize(side_stream_);
  cudaFreeHost(memory);
}

void CudaDevice::CopyInAsync(Queue queue, void* to, const void* pinned, size_t bytes) {
  CheckNoCapture("copies from the host");
  if (bytes == 0) return;
  Check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream(queue)),
        Concat("copying ", bytes, " bytes to it"));
}

void CudaDevice::CopyOutAsync(Queue queue, void* pinned, const void* from, size_t bytes) {
  CheckNoCapture("copies to the host");
  if (bytes == 0) return;
  Check(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, stream(queue)),
        Concat("copying ", bytes, " bytes from it"));
}

namespace {

class CudaEvent : public Event {
 public:
  explicit CudaEvent(cudaEvent_t event) : event_(event) {}
  ~CudaEvent() override { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  static cudaEvent_t Of(const Event& event) { return static_cast<const CudaEvent&>(event).event_; }

 private:
  cudaEvent_t event_;
};

class CudaGraph : public CapturedWork {
 public:
  explicit CudaGraph(cudaGraphExec_t graph) : graph_(graph) {}
  ~CudaGraph() override { cudaGraphExecDestroy(graph_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  cudaGraphExec_t graph() const { return graph_; }

 private:
  cudaGraphExec_t graph_;
};

}  // namespace

std::unique_ptr<Event> CudaDevice::MakeEvent() {
  CheckNoCapture("makes an event");
  stream();
  cudaEvent_t event = nullptr;
  Check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  return std::make_unique<CudaEvent>(event);
}

void CudaDevice::Record(Queue queue, Event* event) {
  CheckNoCapture("records an event");
  Check(cudaEventRecord(CudaEvent::Of(*event), stream(queue)), "recording an event");
}

void CudaDevice::WaitFor(Queue queue, const Event& event) {
  CheckNoCapture("waits for an event");
  Check(cudaStreamWaitEvent(stream(queue), CudaEvent::Of(event), 0), "waiting for an event");
}

void CudaDevice::Synchronize(const Event& event) {
  CheckNoCapture("waits");
  Check(cudaEventSynchronize(CudaEvent::Of(event)), "waiting for an event");
}

bool CudaDevice::IsDone(const Event& event) {
  CheckNoCapture("asks for an event");
  const cudaError_t status = cudaEventQuery(CudaEvent::Of(event));
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // it is no error
    return false;
  }
  Check(status, "asking for an event");
  return true;
}

// Other threads, such as those that prefetch, may go on allocating meanwhile.
void CudaDevice::BeginCapture() {
  CheckNoCapture("begins another capture");
  Check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal), "capturing its work");
  captures_ = true;
}

std::unique_ptr<CapturedWork> CudaDevice::EndCapture() {
  if (!captures_) Fail(name_, ": is not capturing work");
  captures_ = false;
  cudaGraph_t graph = nullptr;
  Check(cudaStreamEndCapture(stream(), &graph), "capturing its work");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiateWithFlags(&executable, graph, 0);
  cudaGraphDestroy(graph);
  Check(status, "preparing what it has captured");
  return std::make_unique<CudaGraph>(executable);
}

void CudaDevice::Replay(const CapturedWork& work) {
  CheckNoCapture("replays other work");
  Check(cudaGraphLaunch(static_cast<const CudaGraph&>(work).graph(), stream()),
        "replaying its work");
}

cublasContext* CudaDevice::cublas() {
  if (cublas_ != nullptr) return cublas_;
  CheckNoCapture("starts cuBLAS");
  stream();
  if (cublas_workspace_ == nullptr) cublas_workspace_ = Allocate(kCublasWorkspaceBytes);
  cublasHandle_t handle = nullptr;
  cublasStatus_t status = cublasCreate(&handle);
  if (status == CUBLAS_STATUS_SUCCESS) status = cublasSetStream(handle, stream_);
  if (status == CUBLAS_STATUS_SUCCESS) {  // after SetStream, which takes the workspace away
    status = cublasSetWorkspace(handle, cublas_workspace_, kCublasWorkspaceBytes);
  }
  if (status != CUBLAS_STATUS_SUCCESS) {
    if (handle != nullptr) cublasDestroy(handle);
    Fail(name_, ": cuBLAS failed to start: ", cublasGetStatusString(status));
  }
  cublas_ = handle;
  return cublas_;
}

CudaDevice& CudaOf(const Context& ctx) {
  CREMA_CHECK(ctx.kind() == DeviceKind::kCuda, "a ", ToString(ctx.kind()),
              " was given a kernel of the GPU");
  return static_cast<CudaDevice&>(ctx.device());
}

std::shared_ptr<Device> OpenCudaDevice(int index) { return std::make_shared<CudaDevice>(index); }

std::vector<CudaDeviceInfo> ListCudaDevices() {
  std::string why_none;
  std::vector<CudaDeviceInfo> devices;
  const int count = CountDevices(&why_none);
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) continue;
    devices.push_back({index, properties.name, properties.totalGlobalMem,
                       properties.multiProcessorCount, properties.major, properties.minor});
  }
  return devices;
}

std::string WhyNoCuda() {
  std::string why_none;
  CountDevices(&why_none);
  return why_none;
}

}  // namespace crema
