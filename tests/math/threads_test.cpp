// How many threads a net uses.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>

#include "crema/dev/host_tasks.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

TEST(ThreadsToUseTest, AreThoseWantedOrThoseOfOpenMPUpToTheProcessors) {
  EXPECT_EQ(ThreadsToUse(7), 7);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  EXPECT_EQ(ThreadsToUse(0), 1);
  omp_set_num_threads(HostProcessors() + 3);
  EXPECT_EQ(ThreadsToUse(0), HostProcessors());
  omp_set_num_threads(before);
}

// Some of those that were planned would wait for ever for the others.
TEST(ThreadsToUseTest, AreNotMoreThanOpenMPAllows) {
  const int levels = omp_get_max_active_levels();
  omp_set_max_active_levels(0);
  EXPECT_EQ(ThreadsToUse(3), 1);
  omp_set_max_active_levels(levels);
  EXPECT_EQ(ThreadsToUse(3), std::min(3, omp_get_thread_limit()));
}

TEST(PlansForThreadsTest, OpenMPDoesNotChooseFewer) {
  const int before = omp_get_dynamic();
  omp_set_dynamic(1);
  {
    const PlansForThreads plans(2);
    EXPECT_EQ(omp_get_dynamic(), 0);
    EXPECT_EQ(HostThreads(), 2);
  }
  EXPECT_NE(omp_get_dynamic(), 0);
  omp_set_dynamic(before);
}

// The host program's own loops are not ours to change.
TEST(ThreadsToUseTest, LeaveTheHostsNumberOfThreadsAsItWas) {
  const int before = omp_get_max_threads();
  NetOptions options;
  options.threads = before + 2;
  Net net(ParseNet(Input("x", {2, 3, 4, 4}) +
                       Layer("y", "Convolution", {"x"}, {"y"},
                             "convolution_param { num_output: 2 kernel_size: 3 }"),
                   proto::TEST),
          OpenTestDevice(DeviceKind::kCpu), options);
  EXPECT_EQ(omp_get_max_threads(), before);
  net.Forward(0);
  EXPECT_EQ(omp_get_max_threads(), before);
  net.Reshape({{"x", Shape{1, 3, 4, 4}}});
  EXPECT_EQ(omp_get_max_threads(), before);
}

}  // namespace
}  // namespace crema::test
