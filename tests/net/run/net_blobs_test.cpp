// Blobs while the memory behind them changes.
#include "net/run/net_blobs.h"

#include "net/reshape.h"
#include "net/run/sliced_net.h"
#include "util/limited_device.h"

namespace crema::test {
namespace {

// x and c are kept; a and b lie in the arena.
Graph Chain(int batch) {
  CompileOptions options;
  options.backward = false;
  options.slice_bytes = 0;
  return CompileNet(
      ParseNet(Input("x", {batch, 64}) + Layer("a", "TanH", {"x"}, {"a"}) +
                   Layer("b", "TanH", {"a"}, {"b"}) + Layer("c", "TanH", {"b"}, {"c"}),
               proto::TEST),
      DeviceKind::kCpu, options);
}

void Move(NetBlobs* blobs) {
  PlannedMemory::Next next = blobs->Prepare();
  blobs->ReserveArena(next);
  blobs->Adopt(std::move(next));
}

void SetBatch(int64_t batch, Graph* graph) {
  std::vector<Shape> shapes = ShapesOf(*graph);
  shapes[BlobOf(*graph, "x")] = Shape{batch, 64};
  InferShapesFor(shapes, graph);
}

class NetBlobsTest : public testing::Test {
 protected:
  std::shared_ptr<LimitedDevice> device_ = std::make_shared<LimitedDevice>();
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>(device_);
};

TEST_F(NetBlobsTest, StayAtTheirAddresses) {
  Graph graph = Chain(2);
  NetBlobs blobs(graph, arena_, device_);
  Move(&blobs);
  const Blob* a = blobs.Find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a, &blobs.blob(BlobOf(graph, "a")));
  EXPECT_EQ(blobs.tops(LayerOf(graph, "a")), (BlobList{&blobs.blob(BlobOf(graph, "a"))}));
  EXPECT_EQ(blobs.bottoms(LayerOf(graph, "b")), blobs.tops(LayerOf(graph, "a")));
  SetBatch(5, &graph);
  Move(&blobs);
  EXPECT_EQ(blobs.Find("a"), a);
  EXPECT_EQ(a->shape(), (Shape{5, 64}));
}

TEST_F(NetBlobsTest, FollowAnArenaThatGrows) {
  const Graph few = Chain(2), many = Chain(50);
  NetBlobs small(few, arena_, device_), large(many, arena_, device_);
  Move(&small);
  small.Find("x")->data_tensor().FromHost(std::vector<double>(2 * 64, 7));
  Move(&large);
  EXPECT_EQ(small.Find("a")->data_tensor().buffer(), arena_->buffer());
  EXPECT_EQ(small.Find("a")->shape(), (Shape{2, 64}));
  for (double value : small.Find("x")->data_tensor().ToHost<double>()) ASSERT_EQ(value, 7);
}

// Whatever part of the new memory is missing.
TEST_F(NetBlobsTest, AreRestoredWhereMemoryRunsOut) {
  Graph graph = Chain(2);
  NetBlobs blobs(graph, arena_, device_);
  Move(&blobs);
  blobs.Find("x")->data_tensor().FromHost(std::vector<double>(2 * 64, 7));
  int failed = 0;
  for (size_t more = 0; more < (1 << 20); more += 5000) {
    device_->set_limit(device_->used() + more);
    SetBatch(100, &graph);
    try {
      Move(&blobs);
      break;
    } catch (const Error&) {
      ++failed;
    }
    SetBatch(2, &graph);
    blobs.Restore();
    for (const char* name : {"x", "a", "b", "c"}) {
      ASSERT_EQ(blobs.Find(name)->shape(), (Shape{2, 64})) << name << " " << more;
    }
    for (double value : blobs.Find("x")->data_tensor().ToHost<double>()) ASSERT_EQ(value, 7);
    ASSERT_EQ(blobs.Find("a")->data_tensor().buffer(), arena_->buffer());
  }
  EXPECT_GT(failed, 10);
  EXPECT_EQ(blobs.Find("c")->shape(), (Shape{100, 64}));
}

TEST_F(NetBlobsTest, FindAnArenaBeforeAPassIfTheyHaveLostIt) {
  const Graph few = Chain(2), many = Chain(50);
  NetBlobs small(few, arena_, device_);
  Move(&small);
  {
    NetBlobs large(many, arena_, device_);
    PlannedMemory::Next next = large.Prepare();
    device_->set_limit(0);  // not even the old size is there again
    EXPECT_THROW(large.ReserveArena(next), Error);
  }
  EXPECT_TRUE(small.Find("a")->data_tensor().empty());
  EXPECT_THROW(small.UseArena(), Error);
  device_->set_limit(1 << 20);
  small.UseArena();
  EXPECT_EQ(small.Find("a")->data_tensor().buffer(), arena_->buffer());
}

TEST_F(NetBlobsTest, HaveNames) {
  const Graph graph = Chain(2);
  NetBlobs blobs(graph, arena_, device_);
  Move(&blobs);
  EXPECT_EQ(blobs.IndexOf("b"), BlobOf(graph, "b"));
  EXPECT_EQ(blobs.IndexOf("none"), -1);
  EXPECT_EQ(blobs.Find("none"), nullptr);
}

}  // namespace
}  // namespace crema::test
