#include <gtest/gtest.h>

#include <cmath>

#include "net/net_test_util.h"

namespace crema::test {
namespace {

class DummyDataTest : public LayerTest {
 protected:
  std::unique_ptr<Net> Make(const std::vector<std::string>& tops, const std::string& options,
                            uint64_t seed = 1) const {
    MakeNetOptions on;
    on.device = device();
    on.seed = seed;
    return MakeNet(Layer("d", "DummyData", {}, tops, "dummy_data_param { " + options + " }"), on);
  }
};
CREMA_ON_ALL_DEVICES(DummyDataTest);

std::vector<double> AfterPass(Net& net, const std::string& blob, uint64_t step) {
  net.Forward(step);
  return ReadBlob(net, blob);
}

TEST_P(DummyDataTest, ZeroUnlessToldOtherwise) {
  const auto net = Make({"x"}, "shape { dim: 2 dim: 3 }");
  EXPECT_EQ(AfterPass(*net, "x", 0), std::vector<double>(6, 0));
}

TEST_P(DummyDataTest, EachTopHasItsShapeAndFiller) {
  const auto net = Make({"a", "b"},
                        "shape { dim: 2 } shape { dim: 1 dim: 3 } data_filler { value: 5 } "
                        "data_filler { type: 'uniform' min: 2 max: 3 }");
  EXPECT_EQ(AfterPass(*net, "a", 0), (std::vector<double>{5, 5}));
  for (double v : ReadBlob(*net, "b")) {
    EXPECT_GE(v, 2);
    EXPECT_LT(v, 3);
  }
  EXPECT_EQ(net->FindBlob("b")->shape(), (Shape{1, 3}));
}

TEST_P(DummyDataTest, TheOldFormHasFourAxes) {
  const auto net = Make({"a", "b"}, "num: 2 num: 1 channels: 3 height: 4 width: 5 width: 6");
  EXPECT_EQ(net->FindBlob("a")->shape(), (Shape{2, 3, 4, 5}));
  EXPECT_EQ(net->FindBlob("b")->shape(), (Shape{1, 3, 4, 6}));
}

// The step of a pass decides its numbers; tops, passes and seeds differ.
TEST_P(DummyDataTest, RandomNumbersAreNewEveryPass) {
  for (const char* type : {"uniform", "gaussian", "xavier"}) {
    SCOPED_TRACE(type);
    const std::string options =
        std::string("shape { dim: 4 dim: 8 } data_filler { type: '") + type + "' }";
    const auto net = Make({"a", "b"}, options);
    const std::vector<double> first = AfterPass(*net, "a", 0), second = AfterPass(*net, "a", 1);
    EXPECT_NE(first, second);
    EXPECT_NE(ReadBlob(*net, "b"), second);
    EXPECT_EQ(AfterPass(*net, "a", 0), first);
    EXPECT_EQ(AfterPass(*Make({"a", "b"}, options), "a", 0), first);
    EXPECT_NE(AfterPass(*Make({"a", "b"}, options, 2), "a", 0), first);
  }
}

// 20,000 numbers of mean 3 and deviation 2: the mean's own deviation is 0.014, and that of the
// deviation 0.01; five of them are allowed.
TEST_P(DummyDataTest, GaussianHasItsMeanAndDeviation) {
  const auto net =
      Make({"x"}, "shape { dim: 20000 } data_filler { type: 'gaussian' mean: 3 std: 2 }");
  const std::vector<double> x = AfterPass(*net, "x", 0);
  double mean = 0, variance = 0;
  for (double v : x) mean += v / 20000;
  for (double v : x) variance += (v - mean) * (v - mean) / 20000;
  EXPECT_NEAR(mean, 3, 0.07);
  EXPECT_NEAR(std::sqrt(variance), 2, 0.05);
}

TEST_P(DummyDataTest, ConstantsOutliveLayersInPlace) {
  MakeNetOptions on;
  on.device = device();
  const auto net =
      MakeNet(Layer("d", "DummyData", {}, {"x"},
                    "dummy_data_param { shape { dim: 2 } data_filler { value: -3 } }") +
                  Layer("s", "Scale", {"x"}, {"x"}, "scale_param { axis: 0 filler { value: 2 } }"),
              on);
  EXPECT_EQ(AfterPass(*net, "x", 0), (std::vector<double>{-6, -6}));
  EXPECT_EQ(AfterPass(*net, "x", 1), (std::vector<double>{-6, -6}));
}

TEST_P(DummyDataTest, EmptyBatch) {
  const auto net = Make({"x"}, "shape { dim: 0 dim: 3 } data_filler { type: 'gaussian' }");
  EXPECT_TRUE(AfterPass(*net, "x", 0).empty());
}

TEST_P(DummyDataTest, Errors) {
  const auto error = [&](const std::string& options, const std::vector<std::string>& parts) {
    ExpectError([&] { Make({"a", "b", "c"}, options); }, parts);
  };
  error("shape { dim: 2 } shape { dim: 2 }", {"'d' (DummyData)", "2 shape", "3 tops"});
  error("shape { dim: 2 } data_filler {} data_filler {}", {"'d' (DummyData)", "2 data_filler"});
  error("shape { dim: 2 } num: 2", {"'d' (DummyData)", "old form"});
  error("num: 2 channels: 1 height: 1", {"'d' (DummyData)", "width"});
  error("shape { dim: 2 } data_filler { type: 'gaussain' }", {"'d' (DummyData)", "gaussain"});
}

}  // namespace
}  // namespace crema::test
