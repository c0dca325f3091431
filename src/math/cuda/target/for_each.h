// ForEach and ParallelTasks on CUDA: a thread an element, in strides where the grid is full.
// What they promise is in crema/dev/for_each.h.
#pragma once

#include <algorithm>
#include <cstdint>

#include "crema/context.h"
#include "device/cuda_device.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

constexpr int kBlockThreads = 256;
constexpr int64_t kMaxGridX = 1 << 20;  // enough to fill any GPU; CUDA allows 2^31 - 1
constexpr int64_t kMaxGridY = 65535;

// The least power of two that is not below n, at most `most` (a power of two).
inline int PowerOfTwo(int64_t n, int most) {
  int power = 1;
  while (power < n && power < most) power *= 2;
  return power;
}

inline unsigned GridSize(int64_t elements, int64_t per_block, int64_t most) {
  return static_cast<unsigned>(std::min((elements + per_block - 1) / per_block, most));
}

template <class F>
__global__ void __launch_bounds__(kBlockThreads) ForEachInRows(int64_t rows, int cols, F f) {
  const int64_t row_stride = int64_t{gridDim.y} * blockDim.y;
  const int64_t col_stride = int64_t{gridDim.x} * blockDim.x;
  const int64_t first_row = int64_t{blockIdx.y} * blockDim.y + threadIdx.y;
  const int64_t first_col = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (int64_t r = first_row; r < rows; r += row_stride) {
    for (int64_t c = first_col; c < cols; c += col_stride) f(r, static_cast<int>(c));
  }
}

template <class F>
__global__ void __launch_bounds__(kBlockThreads) ForEachInLine(int64_t count, F f) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) f(i);
}

template <class F>
void ForEach(const Context& ctx, int64_t rows, int cols, F f) {
  if (rows <= 0 || cols <= 0) return;
  // Neighbouring threads are neighbours in a row; short rows share a block.
  const int width = PowerOfTwo(cols, kBlockThreads), height = kBlockThreads / width;
  const dim3 block(width, height);
  const dim3 grid(GridSize(cols, width, kMaxGridX), GridSize(rows, height, kMaxGridY));
  const CudaDevice& device = CudaOf(ctx);
  ForEachInRows<<<grid, block, 0, device.stream()>>>(rows, cols, f);
  device.CheckLaunch();
}

template <class F>
void ForEach(const Context& ctx, int64_t count, F f) {
  if (count <= 0) return;
  const CudaDevice& device = CudaOf(ctx);
  const unsigned grid = GridSize(count, kBlockThreads, kMaxGridX);
  ForEachInLine<<<grid, kBlockThreads, 0, device.stream()>>>(count, f);
  device.CheckLaunch();
}

// The tasks are host code that queues kernels; one thread is enough for that.
inline int WorkerCount(const Context&) { return 1; }

template <class F>
void ParallelTasks(const Context&, int tasks, const F& f) {
  for (int task = 0; task < tasks; ++task) f(task, 0);
}

}  // namespace CREMA_TARGET
}  // namespace crema
