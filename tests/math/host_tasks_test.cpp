#include "crema/dev/host_tasks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

TEST(HostTasksTest, RunsEachTaskOnceAndEachWorkerAlone) {
  for (int workers : {1, 2, 5}) {
    for (int tasks : {0, 1, 2, 3, 100}) {
      SCOPED_TRACE(testing::Message() << tasks << " tasks, " << workers << " workers");
      std::vector<std::atomic<int>> runs(tasks), busy(workers);
      std::atomic<int> wrong{0};
      HostTasks(tasks, workers, [&](int task, int worker) {
        if (worker < 0 || worker >= workers || busy[worker]++ != 0) ++wrong;
        ++runs[task];
        if (tasks > 1 && workers > 1) {  // on the same thread
          wrong += HostThreads() - 1;
          HostTasks(3, 2, [&](int, int inner) { wrong += inner; });
        }
        --busy[worker];
      });
      EXPECT_EQ(wrong, 0);
      for (const auto& run : runs) EXPECT_EQ(run, 1);
    }
  }
}

TEST(HostTasksTest, ThrowsWhatATaskThrowsWhenAllHaveEnded) {
  std::atomic<int> busy{0};
  const auto run = [&](int bad) {
    HostTasks(10, 2, [&](int task, int) {
      ++busy;
      if (task == bad) {
        --busy;
        Fail("task ", bad);
      }
      --busy;
    });
  };
  for (int bad : {0, 5, 9}) {
    ExpectError([&] { run(bad); }, {"task"});
    EXPECT_EQ(busy, 0);
  }
  EXPECT_NO_THROW(run(-1));
}

size_t ThreadsOfThisProcess() {
  const std::filesystem::directory_iterator all("/proc/self/task"), end;
  return static_cast<size_t>(std::distance(all, end));
}

// Each thread has its own; more than there are processors may be asked for.
TEST(HostTasksTest, StartsThreadsBeforeTheyAreUsed) {
  std::thread([] {
    const size_t before = ThreadsOfThisProcess();
    StartThreads(1);
    EXPECT_EQ(ThreadsOfThisProcess(), before);
    StartThreads(4);
    EXPECT_EQ(ThreadsOfThisProcess(), before + 3);
  }).join();
}

}  // namespace
}  // namespace crema::test
