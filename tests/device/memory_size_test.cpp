#include "device/memory_size.h"

#include "device/open.h"
#include "schema/schema_test_util.h"
#include "util/comma_locale.h"

namespace crema {
namespace {

class MemoryOfHostTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = TestFolder();
    Write("proc/meminfo", "MemTotal:       16384 kB\nMemFree:         1024 kB\n");
  }
  void Write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    WriteTestFile(root_ / name, text);
  }
  size_t Memory() const { return MemoryOfHost(root_.string()); }
  std::filesystem::path root_;
};

TEST_F(MemoryOfHostTest, IsTheMachinesMemory) {
  EXPECT_EQ(Memory(), 16384u * 1024);
  EXPECT_EQ(MemoryOfHost((root_ / "nowhere").string()), 0u);
  EXPECT_GT(MemoryOfDevice(*OpenDevice(DeviceKind::kCpu)), 1u << 20);
}

TEST_F(MemoryOfHostTest, DoesNotDependOnTheLocale) {
  const test::CommaStreams comma;
  EXPECT_EQ(Memory(), 16384u * 1024);
}

// Its name has the index and the model.
TEST(MemoryOfGpuTest, IsFoundByTheDevicesName) {
  EXPECT_EQ(CudaDeviceName(1, "NVIDIA H200"), "GPU 1 (NVIDIA H200)");
  const std::vector<CudaDeviceInfo> devices = {{0, "NVIDIA H200", 100, 1, 9, 0},
                                               {1, "NVIDIA H200", 200, 1, 9, 0}};
  for (const CudaDeviceInfo& device : devices) {
    EXPECT_EQ(FindCudaDevice(devices, CudaDeviceName(device.index, device.name)), &device);
  }
  EXPECT_EQ(FindCudaDevice(devices, "GPU 1 (Tesla T4)"), nullptr);
}

TEST(MemoryOfGpuTest, IsThatOfTheDevice) {
  const std::vector<CudaDeviceInfo> devices = ListCudaDevices();
  if (devices.empty()) GTEST_SKIP() << WhyNoCuda();
  EXPECT_EQ(MemoryOfDevice(*OpenDevice(DeviceKind::kCuda)), devices[0].memory_bytes);
}

TEST_F(MemoryOfHostTest, GroupsLimitIt) {
  Write("proc/self/cgroup", "0::/jobs/one\n");
  Write("sys/fs/cgroup/jobs/one/memory.max", "max\n");
  EXPECT_EQ(Memory(), 16384u * 1024);
  Write("sys/fs/cgroup/jobs/memory.max", "8000000\n");
  EXPECT_EQ(Memory(), 8000000u);
  Write("sys/fs/cgroup/jobs/one/memory.max", "7000000\n");
  EXPECT_EQ(Memory(), 7000000u);
}

// A container sees its own limit at the top, and the host's name of its group.
TEST_F(MemoryOfHostTest, GroupsOfContainersLimitIt) {
  Write("proc/self/cgroup", "0::/host/only/1\n");
  Write("sys/fs/cgroup/memory.max", "6000000\n");
  EXPECT_EQ(Memory(), 6000000u);
}

TEST_F(MemoryOfHostTest, OldGroupsLimitIt) {
  Write("proc/self/cgroup", "5:cpu,memory:/job\n1:name=systemd:/\n0::/\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Memory(), 16384u * 1024);
  Write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "5000000\n");
  EXPECT_EQ(Memory(), 5000000u);
}

}  // namespace
}  // namespace crema
