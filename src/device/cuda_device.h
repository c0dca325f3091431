// One CUDA device with its streams and handles. For code of the CUDA target; everybody else sees a
// Device.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "crema/context.h"
#include "crema/device.h"

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

// Work goes to two non-blocking streams, so that it can be captured as a graph and never waits for
// the default stream.
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
  void* AllocatePinned(size_t bytes) override;
  void FreePinned(void* memory) noexcept override;
  void CopyInAsync(Queue queue, void* to, const void* pinned, size_t bytes) override;
  void CopyOutAsync(Queue queue, void* pinned, const void* from, size_t bytes) override;
  std::unique_ptr<Event> MakeEvent() override;
  void Record(Queue queue, Event* event) override;
  void WaitFor(Queue queue, const Event& event) override;
  void Synchronize(const Event& event) override;
  bool IsDone(const Event& event) override;
  bool CanCapture() const override { return true; }
  void BeginCapture() override;
  std::unique_ptr<CapturedWork> EndCapture() override;
  void Replay(const CapturedWork& work) override;

  int index() const { return index_; }

  // Makes the device the calling thread's current one, as every launch needs; returns the stream of
  // a queue.
  cudaStream_t stream(Queue queue = Queue::kMain) const;

  // A handle bound to the main stream, with a workspace at a fixed address; made at the first call,
  // which must not be captured.
  cublasContext* cublas();

  // Memory at a fixed address for the first stage of a reduction. Valid for one operation.
  static constexpr size_t kReduceBytes = size_t{1} << 18;
  void* reduce_buffer() const { return reduce_buffer_; }

  // Throws Error where `status` is a failure; `doing` says what failed: "launching a kernel".
  void Check(cudaError_t status, const std::string& doing) const;
  // Checks the launch that came just before.
  void CheckLaunch() const;

 private:
  // Throws Error if work is being captured that could not be replayed; `what` says why.
  void CheckNoCapture(const char* what) const;

  int index_;
  std::string name_;
  cudaStream_t stream_ = nullptr, side_stream_ = nullptr;
  bool captures_ = false;
  cublasContext* cublas_ = nullptr;
  void* cublas_workspace_ = nullptr;
  void* reduce_buffer_ = nullptr;
  StagingBuffer staging_;
};

// The device of a Context that belongs to the CUDA target.
CudaDevice& CudaOf(const Context& ctx);

}  // namespace crema
