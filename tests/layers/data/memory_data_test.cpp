#include <gtest/gtest.h>

#include "crema/memory_source.h"
#include "net/net_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class MemoryDataTest : public LayerTest {
 protected:
  LayerRunner MakeRunner(const std::string& sizes, const std::string& more = "") const {
    RunnerOptions on;
    on.device = device();
    on.tops = 2;
    return LayerRunner("type: 'MemoryData' memory_data_param { " + sizes + " } " + more, {}, on);
  }
};
CREMA_ON_ALL_DEVICES(MemoryDataTest);

const char kSizes[] = "batch_size: 2 channels: 1 height: 1 width: 3";

TEST_P(MemoryDataTest, GivesBatchAfterBatch) {
  LayerRunner runner = MakeRunner(kSizes);
  EXPECT_EQ(runner.top_shape(0), (Shape{2, 1, 1, 3}));
  auto& source = dynamic_cast<MemorySource&>(runner.layer());
  source.SetData({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {0, 1, 2, 3});
  for (int pass = 0; pass < 2; ++pass) {
    runner.Forward();
    EXPECT_EQ(runner.Top(0), (std::vector<double>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(runner.Top(1), (std::vector<double>{0, 1}));
    runner.Forward();
    EXPECT_EQ(runner.Top(0), (std::vector<double>{7, 8, 9, 10, 11, 12}));
    EXPECT_EQ(runner.Top(1), (std::vector<double>{2, 3}));
  }
}

// A resumed training has a position before it has data, one that is interrupted goes back.
TEST_P(MemoryDataTest, GoesOnFromAPosition) {
  LayerRunner runner = MakeRunner(kSizes);
  auto& source = dynamic_cast<MemorySource&>(runner.layer());
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  runner.layer().Seek(6);
  source.SetData(values, {0, 1, 2, 3});
  runner.Forward();
  EXPECT_EQ(runner.Top(1), (std::vector<double>{2, 3}));
  EXPECT_EQ(runner.layer().position(), 8u);
  runner.Forward();
  EXPECT_EQ(runner.Top(1), (std::vector<double>{0, 1}));
  runner.layer().Seek(6);
  runner.Forward();
  EXPECT_EQ(runner.Top(1), (std::vector<double>{2, 3}));
  source.SetData(values, {4, 5, 6, 7});
  runner.Forward();
  EXPECT_EQ(runner.Top(1), (std::vector<double>{4, 5}));
}

TEST_P(MemoryDataTest, IsFoundInANet) {
  MakeNetOptions options;
  options.device = device();
  const auto net = MakeNet(Layer("data", "MemoryData", {}, {"x", "label"},
                                 std::string("memory_data_param { ") + kSizes + " }"),
                           options);
  auto* source = dynamic_cast<MemorySource*>(net->FindLayer("data"));
  ASSERT_NE(source, nullptr);
  source->SetData({1, 2, 3, 4, 5, 6}, {1, 0});
  net->Forward(0);
  EXPECT_EQ(ReadBlob(*net, "x"), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(net->FindLayer("none"), nullptr);
}

TEST_P(MemoryDataTest, RefusesWhatDoesNotFit) {
  LayerRunner runner = MakeRunner(kSizes);
  auto& source = dynamic_cast<MemorySource&>(runner.layer());
  ExpectError([&] { runner.Forward(); }, {"'test' (MemoryData)", "no data", "SetData"});
  ExpectError([&] { source.SetData({1, 2, 3}, {1}); }, {"1 item,", "batch size, 2"});
  ExpectError([&] { source.SetData({1, 2, 3}, {1, 2}); }, {"3 values for 2 items of 3"});
  ExpectError([&] { source.SetData({}, {}); }, {"0 items"});
  ExpectError([&] { MakeRunner("batch_size: 2 channels: 1 height: 1"); }, {"width"});
  ExpectError([&] { MakeRunner(kSizes, "transform_param { scale: 2 }"); }, {"transform_param"});
}

}  // namespace
}  // namespace crema::test
