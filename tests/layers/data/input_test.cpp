#include <gtest/gtest.h>

#include "net/net_test_util.h"

namespace crema::test {
namespace {

class InputTest : public LayerTest {
 protected:
  MakeNetOptions On() const {
    MakeNetOptions options;
    options.device = device();
    return options;
  }
};
CREMA_ON_ALL_DEVICES(InputTest);

TEST_P(InputTest, OneShapeForAllTopsOrOneForEach) {
  const auto same = MakeNet(
      Layer("in", "Input", {}, {"a", "b"}, "input_param { shape { dim: 2 dim: 3 } }"), On());
  EXPECT_EQ(same->FindBlob("a")->shape(), (Shape{2, 3}));
  EXPECT_EQ(same->FindBlob("b")->shape(), (Shape{2, 3}));
  const auto each = MakeNet(Layer("in", "Input", {}, {"a", "b"},
                                  "input_param { shape { dim: 2 } shape { dim: 1 dim: 4 } }"),
                            On());
  EXPECT_EQ(each->FindBlob("a")->shape(), (Shape{2}));
  EXPECT_EQ(each->FindBlob("b")->shape(), (Shape{1, 4}));
}

TEST_P(InputTest, KeepsWhatTheProgramSets) {
  const auto net = MakeNet(Input("x", {2, 2}) + Layer("r", "ReLU", {"x"}, {"y"}), On());
  SetBlob(*net, "x", {1, -2, 3, -4});
  for (int pass = 0; pass < 2; ++pass) {
    net->Forward(pass);
    EXPECT_EQ(ReadBlob(*net, "x"), (std::vector<double>{1, -2, 3, -4}));
    EXPECT_EQ(ReadBlob(*net, "y"), (std::vector<double>{1, 0, 3, 0}));
  }
}

TEST_P(InputTest, EmptyBatch) {
  const auto net = MakeNet(Input("x", {0, 3}) + Layer("r", "ReLU", {"x"}, {"y"}), On());
  net->Forward(0);
  EXPECT_EQ(net->FindBlob("y")->shape(), (Shape{0, 3}));
}

TEST_P(InputTest, ShapesMustMatchTheTops) {
  ExpectError(
      [&] {
        MakeNet(Layer("in", "Input", {}, {"a", "b", "c"},
                      "input_param { shape { dim: 2 } shape { dim: 2 } }"),
                On());
      },
      {"'in' (Input)", "2 shapes", "3 tops"});
  ExpectError([&] { MakeNet(Layer("in", "Input", {}, {"a"}), On()); },
              {"'in' (Input)", "0 shapes"});
}

}  // namespace
}  // namespace crema::test
