#include "crema/dev/host_tasks.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/processors.h"
#include "crema/error.h"

namespace crema {
namespace {

// OpenMP keeps threads for each thread that uses some, as many as its last work had.
thread_local int started = 1;

// A fork has taken them from this thread; GNU's OpenMP would wait for them for ever.
thread_local bool lost = false;

void WatchForks() {
  static const int watched = pthread_atfork(nullptr, nullptr, [] { lost = lost || started > 1; });
  (void)watched;
}

}  // namespace

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

namespace {

// Starts as many threads as work of `all` threads needs besides this one, and ends them again.
void TryThreads(int all) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(all));
  std::mutex gate;  // closed until the last one has started
  std::string why;
  gate.lock();
  try {
    for (int i = 1; i < all; ++i) {
      threads.emplace_back([&gate] { const std::lock_guard<std::mutex> passes(gate); });
    }
  } catch (const std::system_error& error) {
    why = error.code().message();
  } catch (const std::bad_alloc&) {
    why = "out of memory";
  }
  gate.unlock();
  for (std::thread& thread : threads) thread.join();
  if (why.empty()) return;
  Fail("the system does not allow ", all, " threads to compute with (", why,
       "); use fewer, with --threads=N, or raise the limits on processes and memory");
}

}  // namespace

void StartThreads(int threads) {
  if (threads <= 1 || omp_in_parallel() != 0) return;
  if (lost) {
    Fail("this net is planned for ", threads, " threads, which have not survived the fork of the ",
         "process; make it in the child, where it computes with one thread, or make it with one ",
         "thread before the fork");
  }
  if (threads > started) {
    WatchForks();
    TryThreads(threads);
    std::atomic<int> running{0};
#pragma omp parallel num_threads(threads)
    ++running;
  }
  started = threads;
}

int HostProcessors() { return AvailableProcessors(); }

int HostThreads() { return lost ? 1 : omp_get_max_threads(); }

int ThreadsToUse(int wanted) {
  if (lost || omp_get_max_active_levels() < 1) return 1;
  const int threads = wanted > 0 ? wanted : std::min(omp_get_max_threads(), HostProcessors());
  return std::min(threads, omp_get_thread_limit());
}

PlansForThreads::PlansForThreads(int threads)
    : before_(omp_get_max_threads()), dynamic_before_(omp_get_dynamic() != 0) {
  omp_set_dynamic(0);
  omp_set_num_threads(lost ? 1 : threads);
}

PlansForThreads::~PlansForThreads() {
  omp_set_num_threads(before_);
  omp_set_dynamic(dynamic_before_ ? 1 : 0);
}

}  // namespace crema
