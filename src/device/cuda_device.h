// One CUDA device with its stream and handles. For code of the CUDA target; everybody else sees a
// Device.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <string>

#include "crema/device/context.h"
#include "crema/device/device.h"

struct cublasContext;  // cublas_v2.h is for the files that call it

namespace crema {

// Pinned host memory through which CopyIn goes, so that the caller's memory is free at once and
// the stream is not waited for: two halves, each reused when the copies out of it are done.
class StagingBuffer {
 public:
  StagingBuffer() = default;
  ~StagingBuffer();
  StagingBuffer(const StagingBuffer&) = delete;
  StagingBuffer& operator=(const StagingBuffer&) = delete;

  cudaError_t CopyIn(void* to, const void* from, size_t bytes, cudaStream_t stream);

 private:
  cudaError_t Create();
  cudaError_t NextHalf();

  static constexpr size_t kHalfBytes = size_t{4} << 20;
  char* memory_ = nullptr;
  std::array<cudaEvent_t, 2> done_ = {};
  int half_ = 0;
  size_t used_ = 0;  // of the half
};

// All work goes to one non-blocking stream, so that it can be captured as a graph and never waits
// for the default stream.
class CudaDevice : public Device {
 public:
  // Throws Error where there is no such device.
  explicit CudaDevice(int index);
  ~CudaDevice() override;

  DeviceKind kind() const override { return DeviceKind::kCuda; }
  std::string name() const override { return name_; }
  void* Allocate(size_t bytes) override;
  void Free(void* memory) noexcept override;
  void CopyIn(void* to, const void* from, size_t bytes) override;
  void CopyOut(void* to, const void* from, size_t bytes) override;
  void Copy(void* to, const void* from, size_t bytes) override;
  void Zero(void* to, size_t bytes) override;
  void Synchronize() override;

  int index() const { return index_; }

  // Makes the device the calling thread's current one, as every launch needs; returns its stream.
  cudaStream_t stream() const;

  // A handle bound to the stream, with a workspace at a fixed address; made at the first call.
  cublasContext* cublas();

  // Memory at a fixed address for the first stage of a reduction. Valid for one operation.
  static constexpr size_t kReduceBytes = size_t{1} << 18;
  void* reduce_buffer() const { return reduce_buffer_; }

  // Throws Error where `status` is a failure; `doing` says what failed: "launching a kernel".
  void Check(cudaError_t status, const std::string& doing) const;
  // Checks the launch that came just before.
  void CheckLaunch() const;

 private:
  int index_;
  std::string name_;
  cudaStream_t stream_ = nullptr;
  cublasContext* cublas_ = nullptr;
  void* cublas_workspace_ = nullptr;
  void* reduce_buffer_ = nullptr;
  StagingBuffer staging_;
};

// The device of a Context that belongs to the CUDA target.
CudaDevice& CudaOf(const Context& ctx);

}  // namespace crema
