#include "crema/math/host_tasks.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <optional>
#include <vector>

#include "base/processors.h"

namespace crema {

void HostTasks(int tasks, int workers, const std::function<void(int, int)>& f) {
  const int threads = std::max(1, std::min({tasks, workers, HostThreads()}));
  const auto first = [=](int worker) {
    return static_cast<int>(int64_t{tasks} * worker / threads);
  };
  std::vector<std::atomic<int>> next(threads);
  for (int worker = 0; worker < threads; ++worker) next[worker] = first(worker);
  std::exception_ptr error;
  const auto work = [&](int worker) {
    std::optional<PlansForThreads> plans;  // oneDNN looks compiled code up by it
    if (tasks > 1 && workers > 1) plans.emplace(1);
    for (int i = 0; i < threads; ++i) {
      const int share = (worker + i) % threads;
      for (int task; (task = next[share]++) < first(share + 1);) f(task, worker);
    }
  };
  // With fewer threads than the others, the OpenMP runtime would end some and start them again.
#pragma omp parallel if (threads > 1)
  try {
    if (omp_get_thread_num() < threads) work(omp_get_thread_num());
  } catch (...) {
#pragma omp critical(crema_host_tasks)
    error = std::current_exception();
  }
  if (error != nullptr) std::rethrow_exception(error);
}

void HostTasks(int tasks, const std::function<void(int)>& f) {
  HostTasks(tasks, HostThreads(), [&](int task, int) { f(task); });
}

int HostProcessors() { return AvailableProcessors(); }

int HostThreads() { return omp_get_max_threads(); }

int ThreadsToUse(int wanted) {
  return wanted > 0 ? wanted : std::min(omp_get_max_threads(), HostProcessors());
}

PlansForThreads::PlansForThreads(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
}

PlansForThreads::~PlansForThreads() { omp_set_num_threads(before_); }

}  // namespace crema
