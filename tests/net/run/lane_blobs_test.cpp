// What lanes see of the blobs of their layers.
#include "net/run/lane_blobs.h"

#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

class LaneBlobsTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_.Adopt(memory_.Prepare(device_));
    memory_.SetArena(std::make_shared<Buffer>(device_, memory_.plan().memory.arena));
    lanes_.Connect();
  }
  // The first layer of the slices reads x and writes a.
  const Blob& X(size_t lane) const { return *lanes_.bottoms(lane, graph_.slices[0].first)[0]; }
  const Blob& A(size_t lane) const { return *lanes_.tops(lane, graph_.slices[0].first)[0]; }
  static bool IsEmpty(const Blob& blob) { return blob.data_tensor().empty(); }

  std::shared_ptr<Device> device_ = OpenDevice(DeviceKind::kCpu);
  Graph graph_ = SlicedGraph();
  PlannedMemory memory_{graph_};
  LaneBlobs lanes_{graph_, memory_};
};

TEST_F(LaneBlobsTest, HaveTheirMemoryAfterView) {
  EXPECT_TRUE(IsEmpty(X(1)) && IsEmpty(A(1)));
  lanes_.View();
  EXPECT_EQ(AddressOf(A(1)), AddressOf(memory_.LaneBlob(BlobOf(graph_, "a"), 0, 1)));
  EXPECT_TRUE(IsEmpty(X(1)));  // which part it sees is not said yet
}

TEST_F(LaneBlobsTest, SeeThePartThatTheyAreShown) {
  lanes_.View();
  for (int part : {3, 1}) {
    lanes_.SelectPart(0, part, 1);
    EXPECT_EQ(AddressOf(X(1)), AddressOf(memory_.PartOfBlob(BlobOf(graph_, "x"), 0, part)));
    EXPECT_TRUE(IsEmpty(X(0)));
  }
}

TEST_F(LaneBlobsTest, AreTheSameForTheLayersOfALane) {
  const size_t first = graph_.slices[0].first;
  EXPECT_EQ(lanes_.bottoms(0, first + 1)[0], &A(0));
  EXPECT_NE(&A(0), &A(1));
}

TEST_F(LaneBlobsTest, HoldNothingAfterRelease) {
  lanes_.View();
  lanes_.SelectPart(0, 0, 0);
  lanes_.Release();
  EXPECT_TRUE(IsEmpty(X(0)) && IsEmpty(A(0)) && IsEmpty(A(1)));
  memory_.SetArena(nullptr);
  lanes_.View();  // there is nothing to see
  EXPECT_TRUE(IsEmpty(A(0)));
}

}  // namespace
}  // namespace crema::test
