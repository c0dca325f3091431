#include "net/run/memory_plans.h"

#include "net/reshape.h"
#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

class MemoryPlansTest : public testing::Test {
 protected:
  void SetBatch(int64_t batch) {
    std::vector<Shape> shapes = ShapesOf(graph_);
    shapes[BlobOf(graph_, "x")] = Shape{batch, 2, 16, 16};
    InferShapesFor(shapes, &graph_);
  }
  // By all that is in it.
  static void ExpectSame(const MemoryPlan& one, const MemoryPlan& other) {
    const auto offsets = [](const std::vector<Place>& places) {
      std::vector<int64_t> all;
      for (const Place& place : places) all.insert(all.end(), {place.offset, place.bytes});
      return all;
    };
    EXPECT_EQ(offsets(one.data), offsets(other.data));
    EXPECT_EQ(offsets(one.diff), offsets(other.diff));
    EXPECT_EQ(offsets(one.forward_scratch), offsets(other.forward_scratch));
    EXPECT_EQ(one.memory.Total(), other.memory.Total());
    EXPECT_EQ(one.lanes.size(), other.lanes.size());
  }

  Graph graph_ = SlicedGraph();
};

TEST_F(MemoryPlansTest, PlansEachShapeOnce) {
  MemoryPlans plans;
  for (int round = 0; round < 3; ++round) {
    for (int64_t batch : {8, 4, 1}) {
      SetBatch(batch);
      ExpectSame(plans.For(graph_), PlanMemory(graph_));
    }
  }
  EXPECT_EQ(plans.made(), 3u);
}

TEST_F(MemoryPlansTest, OtherSlicesAreAnotherPlan) {
  MemoryPlans plans;
  plans.For(graph_);
  const std::vector<Shape> shapes = ShapesOf(graph_);
  graph_.slice_bytes = 0;
  InferShapesFor(shapes, &graph_);
  ExpectSame(plans.For(graph_), PlanMemory(graph_));
  EXPECT_EQ(plans.made(), 2u);
}

TEST_F(MemoryPlansTest, ForgetsWhatWasUsedTheLongestTimeAgo) {
  MemoryPlans plans(2);
  for (int64_t batch : {8, 4, 8, 1, 8}) {  // 1 takes the place of 4
    SetBatch(batch);
    ExpectSame(plans.For(graph_), PlanMemory(graph_));
  }
  EXPECT_EQ(plans.made(), 3u);
  SetBatch(4);
  ExpectSame(plans.For(graph_), PlanMemory(graph_));
  EXPECT_EQ(plans.made(), 4u);
}

TEST_F(MemoryPlansTest, KeepsNoMoreBytesThanItMay) {
  MemoryPlans all;
  all.For(graph_);
  const size_t bytes = all.bytes();
  EXPECT_GT(bytes, 0u);
  MemoryPlans one(10, bytes), none(10, bytes - 1);
  for (int64_t batch : {8, 4, 8}) {
    SetBatch(batch);
    one.For(graph_);
    none.For(graph_);
    EXPECT_LE(one.bytes(), bytes);
    EXPECT_LE(none.bytes(), bytes - 1);
  }
}

}  // namespace
}  // namespace crema::test
