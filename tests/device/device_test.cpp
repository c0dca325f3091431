#include "crema/device.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class DeviceTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (!IsSkipped()) device_ = OpenTestDevice(device());
  }
  Device& opened() { return *device_; }

 private:
  std::shared_ptr<Device> device_;
};
CREMA_ON_ALL_DEVICES(DeviceTest);

std::vector<unsigned char> Pattern(size_t bytes) {
  std::vector<unsigned char> pattern(bytes);
  for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<unsigned char>(i * 31 + i / 251);
  return pattern;
}

TEST_P(DeviceTest, KnowsItself) {
  EXPECT_EQ(opened().kind(), device());
  EXPECT_FALSE(opened().name().empty());
}

TEST_P(DeviceTest, AllocatesAligned) {
  for (size_t bytes : {0, 1, 63, 64, 65, 4096, 100001}) {
    void* memory = opened().Allocate(bytes);
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u) << bytes;
    opened().Free(memory);
  }
  opened().Free(nullptr);
}

TEST_P(DeviceTest, CopiesAndClears) {
  const size_t bytes = 1003;
  std::vector<unsigned char> source = Pattern(bytes), result(bytes, 0xAA);
  const std::vector<unsigned char> expected = source;
  void* a = opened().Allocate(bytes);
  void* b = opened().Allocate(bytes);
  opened().CopyIn(a, source.data(), bytes);
  source.assign(bytes, 0);  // CopyIn is done with it
  opened().Copy(b, a, bytes);
  opened().Zero(a, bytes);
  opened().CopyOut(result.data(), b, bytes);
  EXPECT_EQ(result, expected);
  opened().CopyOut(result.data(), a, bytes);
  EXPECT_EQ(result, std::vector<unsigned char>(bytes, 0));
  opened().Synchronize();
  opened().Free(a);
  opened().Free(b);
}

TEST_P(DeviceTest, CopiesInsideABlock) {
  const std::vector<unsigned char> source = Pattern(300);
  std::vector<unsigned char> result(100);
  auto* memory = static_cast<unsigned char*>(opened().Allocate(300));
  opened().CopyIn(memory, source.data(), 300);
  opened().Copy(memory + 200, memory + 7, 100);
  opened().Zero(memory + 210, 10);
  opened().CopyOut(result.data(), memory + 200, 100);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(result[i], i >= 10 && i < 20 ? 0 : source[7 + i]);
  opened().Free(memory);
}

TEST_P(DeviceTest, TakesEmptyCopies) {
  void* memory = opened().Allocate(0);
  opened().CopyIn(memory, nullptr, 0);
  opened().Copy(memory, memory, 0);
  opened().Zero(memory, 0);
  opened().CopyOut(nullptr, memory, 0);
  opened().Free(memory);
}

// More than goes through a GPU's staging memory at once, in one piece and in many.
TEST_P(DeviceTest, CopiesMuch) {
  const size_t bytes = (size_t{9} << 20) + 5, piece = 1000003;
  const std::vector<unsigned char> source = Pattern(bytes);
  std::vector<unsigned char> result(bytes);
  auto* memory = static_cast<unsigned char*>(opened().Allocate(bytes));
  opened().CopyIn(memory, source.data(), bytes);
  opened().CopyOut(result.data(), memory, bytes);
  EXPECT_TRUE(result == source);
  opened().Zero(memory, bytes);
  for (size_t at = 0; at < bytes; at += piece) {
    std::vector<unsigned char> part(source.begin() + at,
                                    source.begin() + std::min(bytes, at + piece));
    opened().CopyIn(memory + at, part.data(), part.size());
  }
  opened().CopyOut(result.data(), memory, bytes);
  EXPECT_TRUE(result == source);
  opened().Free(memory);
}

TEST_P(DeviceTest, CopiesBesideTheMainQueue) {
  const size_t bytes = 4099;
  const std::vector<unsigned char> source = Pattern(bytes);
  void* const memory = opened().Allocate(bytes);
  auto* const pinned = static_cast<unsigned char*>(opened().AllocatePinned(2 * bytes));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(pinned) % 64, 0u);
  const std::unique_ptr<Event> made = opened().MakeEvent(), copied = opened().MakeEvent();
  EXPECT_TRUE(opened().IsDone(*made));  // it was never recorded
  for (int round = 0; round < 3; ++round) {
    opened().CopyIn(memory, source.data(), bytes);
    opened().Record(Queue::kMain, made.get());
    opened().WaitFor(Queue::kSide, *made);
    opened().CopyOutAsync(Queue::kSide, pinned, memory, bytes);
    opened().Record(Queue::kSide, copied.get());
    opened().WaitFor(Queue::kMain, *copied);
    opened().Zero(memory, bytes);  // not before it is copied
    opened().Synchronize(*copied);
    EXPECT_TRUE(opened().IsDone(*copied));
    EXPECT_EQ(std::memcmp(pinned, source.data(), bytes), 0) << round;
    opened().CopyOutAsync(Queue::kMain, pinned + bytes, memory, bytes);
    opened().Synchronize();
    EXPECT_EQ(pinned[bytes], 0);
    EXPECT_EQ(pinned[2 * bytes - 1], 0);
  }
  std::memcpy(pinned, source.data(), bytes);
  opened().CopyInAsync(Queue::kSide, memory, pinned, bytes);
  opened().Synchronize();
  std::vector<unsigned char> result(bytes);
  opened().CopyOut(result.data(), memory, bytes);
  EXPECT_EQ(result, source);
  opened().CopyOutAsync(Queue::kSide, nullptr, memory, 0);
  opened().FreePinned(pinned);
  opened().FreePinned(nullptr);
  opened().Free(memory);
}

TEST_P(DeviceTest, ReplaysWhatItHasCaptured) {
  if (!opened().CanCapture()) {
    ExpectError([&] { opened().BeginCapture(); }, {opened().name(), "cannot capture"});
    return;
  }
  const size_t bytes = 300;
  void* const a = opened().Allocate(bytes);
  void* const b = opened().Allocate(bytes);
  const std::vector<unsigned char> zeros(bytes, 0);
  std::vector<unsigned char> source = Pattern(bytes), result(bytes);
  opened().CopyIn(a, source.data(), bytes);
  opened().Zero(b, bytes);
  opened().BeginCapture();
  opened().Copy(b, a, bytes);
  opened().Zero(a, bytes);
  const std::unique_ptr<CapturedWork> work = opened().EndCapture();
  opened().CopyOut(result.data(), b, bytes);
  EXPECT_EQ(result, zeros);  // nothing was done yet
  for (int round = 0; round < 3; ++round) {
    source[0] = static_cast<unsigned char>(round);
    opened().CopyIn(a, source.data(), bytes);
    opened().Replay(*work);
    opened().CopyOut(result.data(), b, bytes);
    EXPECT_EQ(result, source);
    opened().CopyOut(result.data(), a, bytes);
    EXPECT_EQ(result, zeros);
  }
  opened().Free(a);
  opened().Free(b);
}

TEST_P(DeviceTest, CapturesNothingThatAReplayCouldNotRepeat) {
  if (!opened().CanCapture()) GTEST_SKIP() << "the CPU captures nothing";
  char host[8] = {};
  void* const memory = opened().Allocate(8);
  void* const pinned = opened().AllocatePinned(8);
  const std::unique_ptr<Event> event = opened().MakeEvent();
  const std::function<void()> refused[] = {
      [&] { opened().Allocate(8); },
      [&] { opened().AllocatePinned(8); },
      [&] { opened().CopyIn(memory, host, 8); },
      [&] { opened().CopyOut(host, memory, 8); },
      [&] { opened().CopyInAsync(Queue::kSide, memory, pinned, 8); },
      [&] { opened().CopyOutAsync(Queue::kSide, pinned, memory, 8); },
      [&] { opened().Synchronize(); },
      [&] { opened().Synchronize(*event); },
      [&] { opened().MakeEvent(); },
      [&] { opened().Record(Queue::kMain, event.get()); },
      [&] { opened().WaitFor(Queue::kMain, *event); },
      [&] { opened().IsDone(*event); },
      [&] { opened().BeginCapture(); },
  };
  opened().BeginCapture();
  for (const auto& call : refused) ExpectError(call, {"work that is captured"});
  opened().Zero(memory, 8);
  const std::unique_ptr<CapturedWork> work = opened().EndCapture();
  opened().Replay(*work);
  opened().CopyOut(host, memory, 8);
  EXPECT_EQ(host[7], 0);
  ExpectError([&] { opened().EndCapture(); }, {"not capturing"});
  opened().FreePinned(pinned);
  opened().Free(memory);
}

TEST_P(DeviceTest, TellsTheSizeWhenMemoryIsShort) {
  const size_t bytes = std::numeric_limits<size_t>::max() - 7;
  ExpectError([&] { opened().Allocate(bytes); },
              {"out of memory", std::to_string(bytes), "batch size"});
  void* memory = opened().Allocate(100);  // the device goes on working
  opened().Zero(memory, 100);
  opened().Free(memory);
}

TEST_P(DeviceTest, DevicesAreIndependent) {
  const std::shared_ptr<Device> other = OpenTestDevice(device());
  const int one = 1, two = 2;
  int result = 0;
  void* a = opened().Allocate(sizeof(int));
  void* b = other->Allocate(sizeof(int));
  opened().CopyIn(a, &one, sizeof(int));
  other->CopyIn(b, &two, sizeof(int));
  opened().CopyOut(&result, a, sizeof(int));
  EXPECT_EQ(result, 1);
  other->CopyOut(&result, b, sizeof(int));
  EXPECT_EQ(result, 2);
  opened().Free(a);
  other->Free(b);
}

TEST(CudaTest, TellsWhyThereIsNone) {
  const std::vector<CudaDeviceInfo> devices = ListCudaDevices();
  EXPECT_EQ(devices.empty(), !WhyNoCuda().empty());
  if (devices.empty()) {
    ExpectError([] { OpenDevice(DeviceKind::kCuda); }, {"cannot use GPU 0", WhyNoCuda()});
  } else {
    EXPECT_FALSE(devices[0].name.empty());
    EXPECT_GT(devices[0].memory_bytes, 0u);
  }
}

TEST(CudaTest, RefusesAnIndexThatIsNotThere) {
  const int count = static_cast<int>(ListCudaDevices().size());
  ExpectError([&] { OpenDevice(DeviceKind::kCuda, count + 1); }, {Concat("GPU ", count + 1)});
}

TEST(DeviceKindTest, HasNames) {
  EXPECT_STREQ(ToString(DeviceKind::kCpu), "CPU");
  EXPECT_STREQ(ToString(DeviceKind::kCuda), "GPU");
}

}  // namespace
}  // namespace crema::test
