#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SilenceTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(SilenceTest);

TEST_P(SilenceTest, SendsZeros) {
  LayerRunner runner("type: 'Silence'", {Shape{2, 3}, Shape{4}}, On(0));
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.tops(), 0);
  ExpectNear(runner.BottomDiff(0), std::vector<double>(6, 0), 0);
  ExpectNear(runner.BottomDiff(1), std::vector<double>(4, 0), 0);
}

TEST_P(SilenceTest, BlobsAreNotPrinted) {
  MakeNetOptions options;
  options.device = device();
  const auto net =
      MakeNet(Input("x", {2}) + Input("y", {2}) + Layer("s", "Silence", {"x"}, {}), options);
  ASSERT_EQ(net->graph().outputs.size(), 1u);
  EXPECT_EQ(net->graph().blobs[net->graph().outputs[0]].name, "y");
}

TEST_P(SilenceTest, TakesAnEmptyBatch) {
  LayerRunner runner("type: 'Silence'", {Shape{0, 3}}, On(0));
  runner.Forward();
  runner.Backward();
}

}  // namespace
}  // namespace crema::test
