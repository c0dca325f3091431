// Independent tasks of the host, on its threads.
#pragma once

#include <functional>

namespace crema {

// Calls f for the tasks 0 to tasks - 1, each once, on at most `workers` threads, and returns when
// all are done. f gets the task and the number of the worker, from 0 on, who alone has that number
// until f returns. Each worker begins with its own share of consecutive tasks, so that it meets
// what an earlier call left in its caches, and then helps the others. With several workers and
// tasks, what runs in f uses that thread only. What f throws is thrown again at the end.
void HostTasks(int tasks, int workers, const std::function<void(int, int)>& f);

// The same for all threads, where nobody asks which one it is.
void HostTasks(int tasks, const std::function<void(int)>& f);

// How many processors this process may use: those of its affinity, or fewer if its control group
// has a quota of processor time.
int HostProcessors();

// How many threads the work of this one is planned for: those that HostTasks would use.
int HostThreads();

// How many threads a net should use: `wanted`, or if that is 0, what OpenMP would start here
// (OMP_NUM_THREADS), but no more than HostProcessors(): threads that share a processor wait for
// each other. Never more than OMP_THREAD_LIMIT allows. 1 if the process was forked by this thread
// after StartThreads had started some.
int ThreadsToUse(int wanted);

// Starts the threads that this one will use with such a plan; they stay until this thread's work is
// planned for fewer. Throws Error if the system does not allow so many: OpenMP, which would start
// them later, ends the program then. Throws Error, too, if a fork of the process has taken them
// from this thread: OpenMP would wait for them for ever.
void StartThreads(int threads);

// While it lives, what runs on this thread, and libraries that plan their work for it, plan for so
// many threads and get them: OpenMP does not choose fewer (OMP_DYNAMIC), for which those who have
// planned with more would wait for ever.
class PlansForThreads {
 public:
  // `threads` is at least 1, as ThreadsToUse gives it. If a fork has taken this thread's threads
  // from it, it is 1.
  explicit PlansForThreads(int threads);
  // Sets back what was found, so that several in one another end in reverse order, on the thread
  // that made them.
  ~PlansForThreads();
  // Two would set it back twice.
  PlansForThreads(const PlansForThreads&) = delete;
  PlansForThreads& operator=(const PlansForThreads&) = delete;  // likewise

 private:
  int before_;
  bool dynamic_before_;
};

}  // namespace crema
