#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "net/passes.h"

namespace crema::test {
namespace {

BlobNode MakeBlob(int64_t count, bool has_diff = false) {
  BlobNode blob;
  blob.shape = Shape{count};
  blob.has_diff = has_diff;
  return blob;
}

TEST(PlanMemoryTest, OffsetsAreAlignedAndDoNotOverlap) {
  Graph graph;
  graph.blobs = {MakeBlob(1, true), MakeBlob(16), MakeBlob(17, true), MakeBlob(0), MakeBlob(3)};
  const MemoryPlan plan = PlanMemory(graph);
  // float32: 4, 64, 68, 0 and 12 bytes, each rounded up to 64.
  EXPECT_EQ(plan.data_offset, (std::vector<int64_t>{0, 64, 128, 256, 256}));
  EXPECT_EQ(plan.data_bytes, 320);
  EXPECT_EQ(plan.diff_offset, (std::vector<int64_t>{0, -1, 64, -1, -1}));
  EXPECT_EQ(plan.diff_bytes, 192);
}

TEST(PlanMemoryTest, DoublesTakeTwiceTheRoom) {
  Graph graph;
  graph.dtype = DType::kFloat64;
  graph.blobs = {MakeBlob(9), MakeBlob(1)};
  EXPECT_EQ(PlanMemory(graph).data_offset, (std::vector<int64_t>{0, 128}));
}

TEST(PlanMemoryTest, SharedBlobsHaveOnePlace) {
  Graph graph;
  graph.blobs = {MakeBlob(8, true), MakeBlob(8, true), MakeBlob(8, true), MakeBlob(8, true)};
  graph.blobs[1].shares_data_with = 0;
  graph.blobs[2].shares_data_with = 1;
  graph.blobs[2].shares_diff_with = 1;
  const MemoryPlan plan = PlanMemory(graph);
  EXPECT_EQ(plan.data_offset, (std::vector<int64_t>{0, 0, 0, 64}));
  EXPECT_EQ(plan.diff_offset, (std::vector<int64_t>{0, 64, 64, 128}));
}

TEST(PlanMemoryTest, AGradientIsNotSharedWithOneThatIsNotKept) {
  Graph graph;
  graph.blobs = {MakeBlob(8, false), MakeBlob(8, true)};
  graph.blobs[1].shares_diff_with = 0;
  EXPECT_EQ(PlanMemory(graph).diff_offset, (std::vector<int64_t>{-1, 0}));
}

// The copies of a split are one memory, unless a layer changes one of them in place.
TEST(PlanMemoryTest, ASplitsTopsAreViewsUntilOneIsChanged) {
  const auto net = MakeNet(Input("x", {2, 3}) + Product("p", "x", "y", 4) +
                           Product("q", "y", "a", 2) + Layer("r", "Flatten", {"y"}, {"f"}) +
                           Layer("s", "ReLU", {"f"}, {"f"}) + Product("t", "y", "b", 2));
  const auto place = [&](const char* name) { return net->FindBlob(name)->data_tensor().raw(); };
  EXPECT_EQ(place("y_p_0_split_0"), place("y"));
  EXPECT_EQ(place("y_p_0_split_1"), place("y"));
  EXPECT_EQ(place("y_p_0_split_2"), place("y"));
  EXPECT_NE(place("f"), place("y"));
  SetBlob(*net, "x", RandomValues(6));
  net->Forward(0);
  const std::vector<double> y = ReadBlob(*net, "y"), f = ReadBlob(*net, "f");
  ASSERT_LT(*std::min_element(y.begin(), y.end()), 0);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(f[i], std::max(y[i], 0.0));
}

}  // namespace
}  // namespace crema::test
