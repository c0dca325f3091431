#include "base/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>

namespace crema::test {
namespace {

// A folder that looks like /sys/fs/cgroup.
class ProcessorQuotaTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::path(testing::TempDir()) / "cgroup" / test->name();
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }

  double Quota(const std::string& groups) { return ProcessorQuota(groups, root_.string()); }

  std::filesystem::path root_;
};

TEST_F(ProcessorQuotaTest, OfVersion2IsTheLeastOnTheWayUp) {
  Write("a/b/cpu.max", "max 100000");
  EXPECT_EQ(Quota("0::/a/b\n"), 0);
  Write("a/cpu.max", "150000 100000");
  EXPECT_EQ(Quota("0::/a/b\n"), 1.5);
  Write("a/b/cpu.max", "50000 100000");
  EXPECT_EQ(Quota("0::/a/b\n"), 0.5);
  EXPECT_EQ(Quota("0::/\n"), 0);
  EXPECT_EQ(Quota("0::/elsewhere\n"), 0);
}

TEST_F(ProcessorQuotaTest, InAContainerIsThatOfTheRoot) {
  Write("cpu.max", "200000 100000");
  EXPECT_EQ(Quota("0::/docker/0123\n"), 2);
}

TEST_F(ProcessorQuotaTest, OfVersion1IsFoundByItsController) {
  Write("cpu,cpuacct/job/cpu.cfs_quota_us", "300000");
  Write("cpu,cpuacct/job/cpu.cfs_period_us", "100000");
  Write("cpuset/job/cpu.cfs_quota_us", "1");
  Write("cpuset/job/cpu.cfs_period_us", "1000");
  EXPECT_EQ(Quota("4:cpuset:/job\n2:cpu,cpuacct:/job\n0::/\n"), 3);
  Write("cpu,cpuacct/job/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(Quota("2:cpu,cpuacct:/job\n"), 0);
}

TEST_F(ProcessorQuotaTest, IgnoresWhatIsNotAQuota) {
  for (const char* text : {"", "x", "100000", "-5 100000", "100000 0", "1e400 1"}) {
    Write("cpu.max", text);
    EXPECT_EQ(Quota("0::/\n"), 0) << text;
  }
  for (const char* groups : {"", "\n", "::", "0:", "0::", "0::a", ":::::"}) Quota(groups);
}

TEST(AvailableProcessorsTest, AreThoseOfTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_GE(AvailableProcessors(), 1);
  EXPECT_LE(AvailableProcessors(), CPU_COUNT(&before));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(AvailableProcessors(), 1);
  sched_setaffinity(0, sizeof(before), &before);
}

}  // namespace
}  // namespace crema::test
