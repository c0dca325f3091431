// The memory of what layers keep.
#include "net/run/layer_states.h"

#include <gtest/gtest.h>

#include "util/limited_device.h"

namespace crema::test {
namespace {

// A graph of two layers of which the second one has these states.
Graph GraphWith(const std::vector<Shape>& shapes) {
  Graph graph;
  graph.dtype = DType::kFloat64;
  graph.layers.resize(2);
  for (const Shape& shape : shapes) {
    graph.layers[1].plan.state.emplace_back();
    graph.layers[1].plan.state.back().shape = shape;
  }
  return graph;
}

class LayerStatesTest : public testing::Test {
 protected:
  Shape& ShapeOf(size_t state) { return graph_.layers[1].plan.state[state].shape; }
  std::vector<double> ValuesOf(size_t state) { return states_.Of(1)[state].ToHost<double>(); }
  void Resize() { states_ = states_.Resized(); }

  std::shared_ptr<LimitedDevice> device_ = std::make_shared<LimitedDevice>();
  Graph graph_ = GraphWith({{2}, {3}});
  LayerStates states_{graph_, device_};
};

using Values = std::vector<double>;

TEST_F(LayerStatesTest, AreZerosOfTheTypesThatThePlansAskFor) {
  graph_.layers[1].plan.state[1].dtype = DType::kInt32;
  EXPECT_FALSE(states_.Fit());
  EXPECT_EQ(states_.bytes(), 0u);
  Resize();
  EXPECT_TRUE(states_.Fit());
  EXPECT_TRUE(states_.Of(0).empty());
  EXPECT_EQ(states_.Of(1)[0].dtype(), DType::kFloat64);
  EXPECT_EQ(states_.Of(1)[1].dtype(), DType::kInt32);
  EXPECT_EQ(ValuesOf(0), (Values{0, 0}));
  EXPECT_EQ(ValuesOf(1), (Values{0, 0, 0}));
  EXPECT_EQ(states_.bytes(), 128u);  // each at a multiple of 64
}

TEST_F(LayerStatesTest, KeepValuesWhereTheShapeStays) {
  Resize();
  states_.Of(1)[0].FromHost(Values{1, 2});
  states_.Of(1)[1].FromHost(Values{3, 4, 5});
  ShapeOf(1) = Shape{40};
  EXPECT_FALSE(states_.Fit());
  Resize();
  EXPECT_EQ(ValuesOf(0), (Values{1, 2}));
  EXPECT_EQ(ValuesOf(1), Values(40, 0));
}

TEST_F(LayerStatesTest, ASmallerShapeUsesTheMemoryThatIsThere) {
  Resize();
  states_.Of(1)[0].FromHost(Values{1, 2});
  states_.Of(1)[1].FromHost(Values{3, 4, 5});
  ShapeOf(1) = Shape{2};
  EXPECT_TRUE(states_.Fit());
  EXPECT_EQ(ValuesOf(1), (Values{0, 0}));
  ShapeOf(1) = Shape{8};  // 64 bytes
  EXPECT_TRUE(states_.Fit());
  EXPECT_EQ(ValuesOf(1), Values(8, 0));
  EXPECT_EQ(ValuesOf(0), (Values{1, 2}));
}

// Of two shapes that take turns, each has one state that is larger than the other's.
TEST_F(LayerStatesTest, ShapesThatComeBackFindTheirMemory) {
  ShapeOf(0) = Shape{40};
  Resize();
  ShapeOf(0) = Shape{2};
  ShapeOf(1) = Shape{50};
  EXPECT_FALSE(states_.Fit());
  Resize();
  const size_t bytes = states_.bytes();
  ShapeOf(0) = Shape{40};
  ShapeOf(1) = Shape{3};
  EXPECT_TRUE(states_.Fit());
  EXPECT_EQ(ValuesOf(0), Values(40, 0));
  states_.Of(1)[0].FromHost(Values(40, 1));
  EXPECT_EQ(ValuesOf(1), (Values{0, 0, 0}));
  EXPECT_EQ(states_.bytes(), bytes);
}

TEST_F(LayerStatesTest, AnotherTypeOrNumberNeedsOtherMemory) {
  Resize();
  graph_.layers[1].plan.state[0].dtype = DType::kInt32;
  EXPECT_FALSE(states_.Fit());
  Resize();
  EXPECT_TRUE(states_.Fit());
  graph_.layers[1].plan.state.pop_back();
  EXPECT_FALSE(states_.Fit());
}

TEST_F(LayerStatesTest, AreAsTheyWereIfThereIsNoMoreMemory) {
  Resize();
  states_.Of(1)[0].FromHost(Values{1, 2});
  device_->set_limit(device_->used());
  ShapeOf(1) = Shape{40};
  EXPECT_THROW(Resize(), Error);
  ShapeOf(1) = Shape{3};
  EXPECT_TRUE(states_.Fit());
  EXPECT_EQ(ValuesOf(0), (Values{1, 2}));
}

}  // namespace
}  // namespace crema::test
