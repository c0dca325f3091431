// Where the views of a memory plan lie.
#include "net/run/planned_memory.h"

#include "net/reshape.h"
#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

class PlannedMemoryTest : public testing::Test {
 protected:
  void Adopt() { memory_.Adopt(memory_.Prepare(device_)); }
  void BindArena() {
    memory_.SetArena(std::make_shared<Buffer>(device_, memory_.plan().memory.arena));
  }
  Blob Whole(const std::string& name) const { return memory_.WholeBlob(BlobOf(graph_, name)); }

  std::shared_ptr<Device> device_ = OpenDevice(DeviceKind::kCpu);
  Graph graph_ = SlicedGraph();
  PlannedMemory memory_{graph_};
};

TEST_F(PlannedMemoryTest, WhatLiesInTheArenaIsEmptyWhileThatIsAway) {
  Adopt();
  EXPECT_EQ(Whole("x").data_tensor().buffer(), memory_.kept());
  EXPECT_TRUE(Whole("b").data_tensor().empty());
  EXPECT_TRUE(Whole("a").data_tensor().empty());
  BindArena();
  EXPECT_EQ(Whole("b").data_tensor().buffer(), memory_.arena());
  EXPECT_EQ(Whole("b").shape(), (Shape{8, 4, 16, 16}));
  EXPECT_EQ(Whole("b").name(), "b");
  EXPECT_FALSE(Whole("b").has_diff());
}

TEST_F(PlannedMemoryTest, WhatIsKeptIsZerosAfterEachPlan) {
  for (int round = 0; round < 2; ++round) {
    Adopt();
    for (double value : Whole("x").data_tensor().ToHost<double>()) ASSERT_EQ(value, 0);
    Whole("x").data_tensor().FromHost(RandomValues(8 * 2 * 16 * 16));
  }
}

TEST_F(PlannedMemoryTest, TakesOtherMemoryOnlyWhereItHasTooLittle) {
  Adopt();
  const std::shared_ptr<Buffer> kept = memory_.kept();
  std::vector<Shape> shapes = ShapesOf(graph_);
  const auto with_batch = [&](int64_t batch) {
    shapes[BlobOf(graph_, "x")] = Shape{batch, 2, 16, 16};
    InferShapesFor(shapes, &graph_);
    return memory_.Prepare(device_);
  };
  EXPECT_EQ(with_batch(4).kept, kept);
  EXPECT_NE(with_batch(16).kept, kept);
  EXPECT_EQ(memory_.kept(), kept);  // nothing has been adopted
}

TEST_F(PlannedMemoryTest, EachLaneHasMemoryOfItsOwn) {
  Adopt();
  BindArena();
  const int between = BlobOf(graph_, "a");
  const Blob first = memory_.LaneBlob(between, 0, 0), second = memory_.LaneBlob(between, 0, 1);
  EXPECT_EQ(first.shape(), (Shape{2, 4, 16, 16}));
  EXPECT_EQ(AddressOf(second) - AddressOf(first), memory_.plan().lanes[0].bytes);
  EXPECT_GE(memory_.plan().lanes[0].bytes, static_cast<int64_t>(first.data_tensor().bytes()));
  EXPECT_EQ(AddressOf(Whole("a")), AddressOf(first));
}

TEST_F(PlannedMemoryTest, PartsOfTheBatchFollowEachOther) {
  Adopt();
  BindArena();
  for (const char* name : {"x", "b"}) {
    const Blob whole = Whole(name);
    const auto bytes = static_cast<int64_t>(whole.data_tensor().bytes()) / 4;
    for (int part = 0; part < 4; ++part) {
      const Blob seen = memory_.PartOfBlob(BlobOf(graph_, name), 0, part);
      EXPECT_EQ(static_cast<int64_t>(seen.data_tensor().bytes()), bytes);
      EXPECT_EQ(AddressOf(seen), AddressOf(whole) + part * bytes);
    }
  }
}

TEST_F(PlannedMemoryTest, PlacesCountFromABase) {
  Adopt();
  BindArena();
  const auto at = [&](int64_t offset) -> void* {
    return static_cast<char*>(memory_.arena()->memory()) + offset;
  };
  Place place;
  EXPECT_EQ(memory_.AddressInArena(place, 128), at(128));
  place.offset = 64;
  EXPECT_EQ(memory_.AddressInArena(place, 128), at(192));
}

}  // namespace
}  // namespace crema::test
