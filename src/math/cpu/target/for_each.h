// ForEach and ParallelTasks on the CPU: OpenMP over rows, vectorised over columns.
// What they promise is in crema/dev/for_each.h.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "crema/context.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// Below this many elements starting threads costs more than it gains.
constexpr int64_t kParallelGrain = 8192;
constexpr int64_t kColumnBlock = 4096;

inline bool WorthThreads(int64_t elements) {
  return elements >= kParallelGrain && !omp_in_parallel();
}

// The copy of f in each thread matters: through the shared one the compiler must assume that
// captured numbers change with every store, and does not vectorise.
template <class F>
void ForEach(const Context&, int64_t rows, int cols, F f) {
  if (rows <= 0 || cols <= 0) return;
  const int64_t blocks = (cols + kColumnBlock - 1) / kColumnBlock;
#pragma omp parallel if (parallel : WorthThreads(rows * cols))
  {
    const F kernel = f;
    if (blocks == 1) {
#pragma omp for schedule(static)
      for (int64_t r = 0; r < rows; ++r) {
#pragma omp simd
        for (int c = 0; c < cols; ++c) kernel(r, c);
      }
    } else {
#pragma omp for schedule(static)
      for (int64_t t = 0; t < rows * blocks; ++t) {
        const int64_t r = t / blocks;
        const int first = static_cast<int>(t % blocks * kColumnBlock);
        const int last = static_cast<int>(std::min<int64_t>(cols, first + kColumnBlock));
#pragma omp simd
        for (int c = first; c < last; ++c) kernel(r, c);
      }
    }
  }
}

template <class F>
void ForEach(const Context&, int64_t count, F f) {
  if (count <= 0) return;
#pragma omp parallel if (parallel : WorthThreads(count))
  {
    const F kernel = f;
#pragma omp for simd schedule(static)
    for (int64_t i = 0; i < count; ++i) kernel(i);
  }
}

// 1 where threads are at work already: the tasks then run on the one that calls.
inline int WorkerCount(const Context&) { return omp_in_parallel() ? 1 : omp_get_max_threads(); }

// f must not throw.
template <class F>
void ParallelTasks(const Context&, int tasks, const F& f) {
#pragma omp parallel for schedule(dynamic) if (parallel : tasks > 1 && !omp_in_parallel())
  for (int task = 0; task < tasks; ++task) f(task, omp_get_thread_num());
}

}  // namespace CREMA_TARGET
}  // namespace crema
