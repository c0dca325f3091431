#include "crema/math/host_tasks.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace crema {

void HostTasks(int tasks, const std::function<void(int)>& f) {
#pragma omp parallel for schedule(dynamic) if (tasks > 1)
  for (int task = 0; task < tasks; ++task) f(task);
}

void HostTasks(int tasks, int workers, const std::function<void(int, int)>& f) {
  const int threads = std::max(1, std::min({tasks, workers, omp_get_max_threads()}));
  const auto first = [=](int worker) {
    return static_cast<int>(int64_t{tasks} * worker / threads);
  };
  std::vector<std::atomic<int>> next(threads);
  for (int worker = 0; worker < threads; ++worker) next[worker] = first(worker);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    const int worker = omp_get_thread_num();
    for (int i = 0; i < threads; ++i) {
      const int share = (worker + i) % threads;
      for (int task; (task = next[share]++) < first(share + 1);) f(task, worker);
    }
  }
}

int HostProcessors() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

PlansForOneThread::PlansForOneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }

PlansForOneThread::~PlansForOneThread() { omp_set_num_threads(before_); }

}  // namespace crema
