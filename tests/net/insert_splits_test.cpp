#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "net/passes.h"

namespace crema::test {
namespace {

proto::NetParameter Inserted(const std::string& text) { return InsertSplits(ParseNet(text)); }

// "name(bottom bottom -> top top)", a line a layer.
std::string Outline(const proto::NetParameter& net) {
  std::string text;
  for (const auto& layer : net.layer()) {
    text += layer.name() + "(";
    for (const std::string& bottom : layer.bottom()) text += bottom + " ";
    text += "->";
    for (const std::string& top : layer.top()) text += " " + top;
    text += ")\n";
  }
  return text;
}

const proto::LayerParameter& Find(const proto::NetParameter& net, const std::string& name) {
  for (const auto& layer : net.layer()) {
    if (layer.name() == name) return layer;
  }
  Fail("no layer '", name, "'");
}

std::vector<float> LossWeights(const proto::LayerParameter& layer) {
  return {layer.loss_weight().begin(), layer.loss_weight().end()};
}

TEST(InsertSplitsTest, NetWithoutSharedBlobsStaysAsItIs) {
  const proto::NetParameter net =
      ParseNet(Input("x", {1}) + Layer("r", "ReLU", {"x"}, {"x"}) + Product("p", "x", "y", 2));
  EXPECT_EQ(InsertSplits(net).SerializeAsString(), net.SerializeAsString());
}

TEST(InsertSplitsTest, NamesAreCaffes) {
  EXPECT_EQ(Outline(Inserted(Layer("data", "Input", {}, {"image", "label"}) +
                             Product("p", "image", "y", 2) +
                             Layer("loss", "SoftmaxWithLoss", {"y", "label"}, {"loss"}) +
                             Layer("hits", "Accuracy", {"y", "label"}, {"hits"}))),
            "data(-> image label)\n"
            "label_data_1_split(label -> label_data_1_split_0 label_data_1_split_1)\n"
            "p(image -> y)\n"
            "y_p_0_split(y -> y_p_0_split_0 y_p_0_split_1)\n"
            "loss(y_p_0_split_0 label_data_1_split_0 -> loss)\n"
            "hits(y_p_0_split_1 label_data_1_split_1 -> hits)\n");
  EXPECT_EQ(
      Find(Inserted(Input("x", {1}) + Layer("e", "Eltwise", {"x", "x"}, {"y"})), "x_x_0_split")
          .type(),
      "Split");
}

TEST(InsertSplitsTest, OneLayerMayReadABlobTwice) {
  EXPECT_EQ(Outline(Inserted(Input("x", {1}) + Layer("e", "Eltwise", {"x", "x"}, {"y"}) +
                             Layer("f", "Flatten", {"x"}, {"z"}))),
            "x(-> x)\n"
            "x_x_0_split(x -> x_x_0_split_0 x_x_0_split_1 x_x_0_split_2)\n"
            "e(x_x_0_split_0 x_x_0_split_1 -> y)\n"
            "f(x_x_0_split_2 -> z)\n");
}

// In place the name x stands for two values: that of `p`, read once, and that of `r`, read twice.
TEST(InsertSplitsTest, EachValueOfAnInPlaceChainIsCountedApart) {
  EXPECT_EQ(Outline(Inserted(Input("in", {1, 2}) + Product("p", "in", "x", 2) +
                             Layer("r", "ReLU", {"x"}, {"x"}) + Product("q", "x", "y", 2) +
                             Product("s", "x", "z", 2))),
            "in(-> in)\n"
            "p(in -> x)\n"
            "r(x -> x)\n"
            "x_r_0_split(x -> x_r_0_split_0 x_r_0_split_1)\n"
            "q(x_r_0_split_0 -> y)\n"
            "s(x_r_0_split_1 -> z)\n");
}

TEST(InsertSplitsTest, ALossWeightCountsAsTheFirstReader) {
  const proto::NetParameter net =
      Inserted(Input("x", {1}) + Product("p", "x", "y", 2, "loss_weight: 3") +
               Product("q", "y", "z", 2) + Product("r", "y", "w", 2));
  EXPECT_EQ(Outline(net),
            "x(-> x)\n"
            "p(x -> y)\n"
            "y_p_0_split(y -> y_p_0_split_0 y_p_0_split_1 y_p_0_split_2)\n"
            "q(y_p_0_split_1 -> z)\n"
            "r(y_p_0_split_2 -> w)\n");
  EXPECT_EQ(LossWeights(Find(net, "y_p_0_split")), (std::vector<float>{3, 0, 0}));
  EXPECT_EQ(LossWeights(Find(net, "p")), (std::vector<float>{0}));
}

TEST(InsertSplitsTest, ALossWeightWithoutReadersStaysWhereItIs) {
  const proto::NetParameter net =
      Inserted(Input("x", {1}) + Product("p", "x", "y", 2, "loss_weight: 3"));
  EXPECT_EQ(net.layer_size(), 2);
  EXPECT_EQ(LossWeights(Find(net, "p")), (std::vector<float>{3}));
}

TEST(InsertSplitsTest, ALossWeightOfZeroIsNoReader) {
  const proto::NetParameter net = Inserted(
      Input("x", {1}) + Product("p", "x", "y", 2, "loss_weight: 0") + Product("q", "y", "z", 2));
  EXPECT_EQ(net.layer_size(), 3);
}

TEST(InsertSplitsTest, OtherTopsKeepTheirLossWeights) {
  const proto::NetParameter net = Inserted(
      Input("x", {1}) + Layer("two", "Any", {"x"}, {"a", "b"}, "loss_weight: 2 loss_weight: 5") +
      Product("q", "a", "z", 2));
  EXPECT_EQ(LossWeights(Find(net, "two")), (std::vector<float>{0, 5}));
  EXPECT_EQ(LossWeights(Find(net, "a_two_0_split")), (std::vector<float>{2, 0}));
}

// Which a Split of the user's, or a name that only looks like one of a Split's, does not change.
TEST(InsertSplitsTest, BlobsHaveTheNamesOfTheText) {
  const Graph graph = BuildGraph(
      InsertSplits(ParseNet(Input("x", {2, 3}) + Product("p", "x", "y_split_0", 2) +
                            Product("q", "y_split_0", "z", 2) + Product("r", "y_split_0", "w", 2) +
                            Layer("s_split", "Split", {"w"}, {"s_split_0", "s_split_1"}))),
      DType::kFloat32, DeviceKind::kCpu, true);
  std::vector<std::string> names;
  for (size_t b = 0; b < graph.blobs.size(); ++b) {
    names.push_back(NameInText(graph, static_cast<int>(b)));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"x", "y_split_0", "y_split_0", "y_split_0", "z", "w",
                                             "s_split_0", "s_split_1"}));
}

TEST(InsertSplitsTest, UnknownBottomIsAnErrorWithASuggestion) {
  ExpectError([] { Inserted(Input("data", {1}) + Product("p", "dtaa", "y", 2)); },
              {"layer 'p' (InnerProduct)", "'dtaa'", "did you mean 'data'?"});
  ExpectError([] { Inserted(Input("data", {1}) + Product("p", "features", "y", 2)); },
              {"layer 'p'", "'features'", "check the name", "phase"});
}

TEST(InsertSplitsTest, ABottomMadeFurtherDownIsUnknown) {
  ExpectError([] { Inserted(Product("p", "x", "y", 2) + Input("x", {1})); },
              {"layer 'p'", "no layer above produces its bottom 'x'"});
}

}  // namespace
}  // namespace crema::test
