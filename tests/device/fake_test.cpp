#include "device/fake.h"

#include <cmath>
#include <cstring>

#include "math/primitives.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class FakeDeviceTest : public ::testing::Test {
 protected:
  // Other tests have started threads, which a forked child would not have.
  FakeDeviceTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  double* Numbers(size_t count) {
    return static_cast<double*>(device_->Allocate(count * sizeof(double)));
  }
  const Primitives& primitives() { return PrimitivesFor(DeviceKind::kFake); }

  std::shared_ptr<Device> device_ = OpenFakeDevice();
};
using FakeDeviceDeathTest = FakeDeviceTest;

TEST_F(FakeDeviceTest, QueuesUntilSomebodyWaits) {
  std::vector<int> ran;
  LaunchOnFake(*device_, [&] { ran.push_back(1); });
  LaunchOnFake(*device_, [&] { ran.push_back(2); });
  EXPECT_TRUE(ran.empty());
  device_->Synchronize();
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  LaunchOnFake(*device_, [&] { ran.push_back(3); });
  int out;
  void* memory = device_->Allocate(sizeof(int));
  device_->Zero(memory, sizeof(int));
  EXPECT_EQ(ran.size(), 2u);
  device_->CopyOut(&out, memory, sizeof(int));
  EXPECT_EQ(ran.size(), 3u);
  LaunchOnFake(*device_, [&] { ran.push_back(4); });
  device_->Free(memory);
  EXPECT_EQ(ran.size(), 4u);
}

TEST_F(FakeDeviceTest, LongQueuesStartByThemselves) {
  int ran = 0;
  for (int i = 0; i < 100000; ++i) LaunchOnFake(*device_, [&] { ++ran; });
  EXPECT_GT(ran, 0);
  device_->Synchronize();
  EXPECT_EQ(ran, 100000);
}

// A queue that does not wait for what it needs finds what was there before.
TEST_F(FakeDeviceTest, TheSideQueueRunsAsEarlyAsItMay) {
  const double ones[2] = {1, 1};
  double* const memory = Numbers(2);
  auto* const pinned = static_cast<double*>(device_->AllocatePinned(2 * sizeof(double)));
  const std::unique_ptr<Event> written = device_->MakeEvent();
  for (const bool waits : {false, true}) {
    device_->Zero(memory, 2 * sizeof(double));
    device_->Synchronize();
    device_->CopyIn(memory, ones, 2 * sizeof(double));
    device_->Record(Queue::kMain, written.get());
    EXPECT_FALSE(device_->IsDone(*written));
    if (waits) device_->WaitFor(Queue::kSide, *written);
    device_->CopyOutAsync(Queue::kSide, pinned, memory, 2 * sizeof(double));
    device_->Synchronize();
    EXPECT_TRUE(device_->IsDone(*written));
    EXPECT_EQ(pinned[1], waits ? 1 : 0);
  }
  device_->FreePinned(pinned);
  device_->Free(memory);
}

// It stands for the last record before the call, also if it is recorded again or gone by then.
TEST_F(FakeDeviceTest, AnEventThatIsAwaitedMayBeUsedElsewhere) {
  double* const memory = Numbers(1);
  auto* const pinned = static_cast<double*>(device_->AllocatePinned(sizeof(double)));
  std::unique_ptr<Event> event = device_->MakeEvent();
  device_->Zero(memory, sizeof(double));
  device_->Record(Queue::kMain, event.get());
  device_->WaitFor(Queue::kSide, *event);
  device_->CopyOutAsync(Queue::kSide, pinned, memory, sizeof(double));
  device_->Record(Queue::kSide, event.get());
  device_->WaitFor(Queue::kMain, *event);
  event.reset();
  device_->Synchronize();
  EXPECT_EQ(*pinned, 0);
  device_->FreePinned(pinned);
  device_->Free(memory);
}

// The side queue runs first, so that the later record is reached before the earlier one.
TEST_F(FakeDeviceTest, AnEventStandsForItsLastRecord) {
  const std::unique_ptr<Event> event = device_->MakeEvent();
  device_->Record(Queue::kMain, event.get());
  device_->Record(Queue::kSide, event.get());
  device_->WaitFor(Queue::kMain, *event);
  device_->Synchronize();
  EXPECT_TRUE(device_->IsDone(*event));
}

TEST_F(FakeDeviceTest, KernelsRunInAnotherOrderThanTheirElements) {
  // ForEach may visit in any order; here it must not be the ascending one, or mistakes that need
  // it would pass.
  Context ctx(device_);
  const int64_t n = 100;
  double* y = Numbers(n + 1);
  device_->Zero(y, (n + 1) * sizeof(double));
  primitives().AddLine(ctx, n, y, y + 1);  // wrong: an element reads what another one writes
  std::vector<double> result(n + 1);
  device_->CopyOut(result.data(), y, result.size() * sizeof(double));
  double in_order = 0;
  for (int64_t i = 0; i < n; ++i) in_order += static_cast<double>(i);
  EXPECT_NE(result[n], in_order);
  device_->Free(y);
}

TEST_F(FakeDeviceTest, FreshMemoryIsNotANumber) {
  std::vector<double> values(100, 0.0);
  double* memory = Numbers(100);
  device_->CopyOut(values.data(), memory, 100 * sizeof(double));
  for (double value : values) EXPECT_TRUE(std::isnan(value));
  device_->Free(memory);
}

TEST_F(FakeDeviceDeathTest, HostReadsOfDeviceMemoryEndTheProcess) {
  double* memory = Numbers(4);
  device_->Zero(memory, 4 * sizeof(double));
  EXPECT_DEATH(
      {
        device_->Synchronize();
        volatile double value = memory[0];
        (void)value;
      },
      "");
  EXPECT_DEATH({ memory[3] = 1; }, "");
  device_->Free(memory);
}

TEST_F(FakeDeviceDeathTest, KernelsThatLeaveTheirBlockEndTheProcess) {
  Context ctx(device_);
  double* x = Numbers(64);
  double* y = Numbers(64);
  primitives().AddLine(ctx, 64, x, y);
  device_->Synchronize();
  EXPECT_DEATH(
      {
        primitives().AddLine(ctx, 65, x, y);
        device_->Synchronize();
      },
      "");
  EXPECT_DEATH(
      {
        primitives().AddLine(ctx, 2, x, y - 600);
        device_->Synchronize();
      },
      "");
  device_->Free(x);
  device_->Free(y);
}

// Between the end of a block and the guard page there may be up to 63 bytes.
TEST_F(FakeDeviceDeathTest, WritesBesideABlockEndTheProcess) {
  Context ctx(device_);
  double* x = Numbers(64);
  double* y = Numbers(3);
  device_->Zero(x, 64 * sizeof(double));
  const auto write = [&](double* to) {
    LaunchOnFake(*device_, [=] { *to = 1; });
    device_->Free(y);
  };
  EXPECT_DEATH(write(y + 3), "wrote outside a block of 24 bytes");
  EXPECT_DEATH(write(y - 1), "wrote outside a block of 24 bytes");
  device_->Free(x);
  device_->Free(y);
}

TEST_F(FakeDeviceDeathTest, UseAfterFreeEndsTheProcess) {
  double* memory = Numbers(8);
  device_->Free(memory);
  EXPECT_DEATH(
      {
        LaunchOnFake(*device_, [=] { memory[0] = 1; });
        device_->Synchronize();
      },
      "");
  EXPECT_DEATH(device_->Free(memory), "did not give");
}

TEST_F(FakeDeviceDeathTest, CapturedHostPointersEndTheProcess) {
  if (!CREMA_CHECKS_CAPTURES) GTEST_SKIP() << "this compiler cannot clear padding";
  Context ctx(device_);
  double* y = Numbers(8);
  double on_stack[8] = {};
  const auto on_heap = std::make_unique<double[]>(8);
  EXPECT_DEATH(primitives().AddLine(ctx, 8, on_stack, y), "captured the host address");
  EXPECT_DEATH(primitives().AddGrid(ctx, 2, 4, y, on_stack), "captured the host address");
  // The heap of AddressSanitizer is left out, see fake.cpp.
  if (reinterpret_cast<uintptr_t>(on_heap.get()) >> 44 != 6) {
    EXPECT_DEATH(primitives().AddLine(ctx, 8, on_heap.get(), y), "captured the host address");
    const FakeDeviceTest* self = this;
    EXPECT_DEATH(CheckFakeCaptures(*device_, [self](int64_t) { return self; }),
                 "captured the host address");
  }
  device_->Free(y);
}

// An int beside the upper half of a host address that was there before.
TEST_F(FakeDeviceTest, PaddingIsNoCapture) {
  struct alignas(8) Padded {
    int value;
  };
  char on_stack = 0;
  const auto address = reinterpret_cast<uintptr_t>(&on_stack);
  Padded padded;
  std::memcpy(&padded, &address, sizeof(padded));
  const auto kernel = [padded](int64_t) { return padded.value; };
  CheckFakeCaptures(*device_, kernel);
}

TEST_F(FakeDeviceTest, NumbersAndDeviceAddressesMayBeCaptured) {
  double* y = Numbers(8);
  const int64_t large = int64_t{1} << 43, negative = -1;
  const double real = 3.25;
  const float single = -1e30f;
  const int count = 12345;
  CheckFakeCaptures(*device_, [=](int64_t i) {
    return y + i + large + negative + static_cast<int64_t>(real + single) + count;
  });
  double* end = y + 8;
  double* before = y - 1;
  CheckFakeCaptures(*device_, [=](int64_t) { return end - before; });
  CheckFakeCaptures(*device_, [](int64_t) {});
  device_->Free(y);
}

TEST_F(FakeDeviceDeathTest, CopiesAreChecked) {
  char host[64] = {};
  void* memory = device_->Allocate(32);
  EXPECT_DEATH(device_->CopyIn(host, host, 8), "not on the device");
  EXPECT_DEATH(device_->CopyIn(memory, host, 33), "leave a block");
  EXPECT_DEATH(device_->CopyIn(memory, memory, 8), "from device memory");
  EXPECT_DEATH(device_->CopyOut(host, memory, 33), "leave a block");
  EXPECT_DEATH(device_->CopyOut(memory, memory, 8), "to device memory");
  EXPECT_DEATH(device_->Copy(static_cast<char*>(memory) + 4, memory, 8), "overlap");
  EXPECT_DEATH(device_->Zero(static_cast<char*>(memory) + 30, 3), "leave a block");
  EXPECT_DEATH(device_->CopyOutAsync(Queue::kSide, host, memory, 8), "not pinned");
  EXPECT_DEATH(device_->CopyInAsync(Queue::kSide, memory, host, 8), "not pinned");
  EXPECT_DEATH(device_->FreePinned(host), "did not give");
  device_->Free(memory);
}

TEST_F(FakeDeviceDeathTest, OtherDevicesTakeNoFakeKernels) {
  const std::shared_ptr<Device> cpu = OpenDevice(DeviceKind::kCpu);
  EXPECT_DEATH(LaunchOnFake(*cpu, [] {}), "kernel of the fake GPU");
}

}  // namespace
}  // namespace crema::test
