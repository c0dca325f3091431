// Which memory becomes NaNs, and when.
#include "net/run/lifetime_check.h"

#include <algorithm>
#include <cmath>

#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

class LifetimeCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_.Adopt(memory_.Prepare(device_));
    memory_.SetArena(std::make_shared<Buffer>(device_, memory_.plan().memory.arena));
    device_->Zero(memory_.arena()->memory(), memory_.arena()->bytes());
  }
  // How many of the numbers are NaNs, of `bytes` bytes from this one of the arena on.
  int64_t NansIn(int64_t offset, int64_t bytes) const {
    const auto* first = reinterpret_cast<const float*>(
        static_cast<const char*>(memory_.arena()->memory()) + offset);
    return std::count_if(first, first + bytes / 4, [](float value) { return std::isnan(value); });
  }
  int64_t NansInAll() const { return NansIn(0, static_cast<int64_t>(memory_.arena()->bytes())); }

  std::shared_ptr<Device> device_ = OpenDevice(DeviceKind::kCpu);
  Graph graph_ = SlicedGraph();
  PlannedMemory memory_{graph_};
};

TEST_F(LifetimeCheckTest, DoesNothingIfItIsOff) {
  const LifetimeCheck check(memory_, false);
  check.BeginPass();
  for (int step = 0; step < 2 * static_cast<int>(graph_.layers.size()); ++step) {
    check.EndStep(step);
    check.EndLaneStep(0, 1, step);
  }
  EXPECT_EQ(NansInAll(), 0);
}

TEST_F(LifetimeCheckTest, APassBeginsWithNothing) {
  LifetimeCheck(memory_, true).BeginPass();
  EXPECT_EQ(NansInAll(), static_cast<int64_t>(memory_.arena()->bytes()) / 4);
}

TEST_F(LifetimeCheckTest, WhatNobodyNeedsAfterAStepIsGone) {
  const LifetimeCheck check(memory_, true);
  int ended = 0;
  for (int step = 0; step < static_cast<int>(graph_.layers.size()); ++step) {
    device_->Zero(memory_.arena()->memory(), memory_.arena()->bytes());
    check.EndStep(step);
    for (const MemoryPiece& piece : memory_.plan().pieces) {
      const int64_t nans = NansIn(piece.offset, piece.bytes);
      if (piece.life.EndsWith(step)) {
        EXPECT_EQ(nans, piece.bytes / 4) << step;
        ++ended;
      } else if (piece.life.first <= step && piece.life.last > step) {
        EXPECT_EQ(nans, 0) << step;
      }
    }
  }
  EXPECT_EQ(ended, static_cast<int>(memory_.plan().pieces.size()));
}

TEST_F(LifetimeCheckTest, ALaneEndsItsOwnMemoryOnly) {
  const LifetimeCheck check(memory_, true);
  const LaneMemory& lanes = memory_.plan().lanes[0];
  for (size_t l = graph_.slices[0].first; l < graph_.slices[0].last; ++l) {
    check.EndLaneStep(0, 1, ForwardStep(l));
  }
  EXPECT_EQ(NansIn(memory_.LaneBase(0, 0), lanes.bytes), 0);
  EXPECT_GT(NansIn(memory_.LaneBase(0, 1), lanes.bytes), 0);
  EXPECT_EQ(NansIn(memory_.LaneBase(0, 1), lanes.bytes), NansInAll());
}

}  // namespace
}  // namespace crema::test
