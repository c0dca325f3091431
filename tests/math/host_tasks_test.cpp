#include "crema/math/host_tasks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

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
        // On the same thread.
        if (tasks > 1 && workers > 1) HostTasks(3, 2, [&](int, int inner) { wrong += inner; });
        --busy[worker];
      });
      EXPECT_EQ(wrong, 0);
      for (const auto& run : runs) EXPECT_EQ(run, 1);
    }
  }
}

}  // namespace
}  // namespace crema::test
