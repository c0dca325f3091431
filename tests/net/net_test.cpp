// What a compiled net does: losses, gradients that add up, shared parameters, the whole on every
// device.
#include "data/databases.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

class NetTest : public LayerTest {
 protected:
  MakeNetOptions On(uint64_t seed = 1) const {
    MakeNetOptions options;
    options.device = device();
    options.seed = seed;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(NetTest);

// Two losses over one product, in place, split and joined.
const std::string kNet =
    Input("x", {3, 4}) + Input("label", {3}) + Product("p", "x", "p", 5) +
    Layer("r", "ReLU", {"p"}, {"p"}) + Product("q", "p", "q", 3) + Product("s", "p", "s", 3) +
    Layer("e", "Eltwise", {"q", "s"}, {"e"}) +
    Layer("first", "SoftmaxWithLoss", {"e", "label"}, {"first"}) +
    Layer("second", "SoftmaxWithLoss", {"q", "label"}, {"second"}, "loss_weight: 0.5");

void SetInputs(Net& net) {
  SetBlob(net, "x", RandomValues(12, 3));
  SetBlob(net, "label", {0, 2, 1});
}

TEST_P(NetTest, TheLossIsTheWeightedSum) {
  const auto net = MakeNet(kNet, On());
  SetInputs(*net);
  const double loss = LossOf(*net);
  EXPECT_NEAR(loss, ReadBlob(*net, "first")[0] + 0.5 * ReadBlob(*net, "second")[0], 1e-14);
  EXPECT_EQ(LossOf(*net), loss);
}

TEST_P(NetTest, GradientsOfAllParametersAreRight) {
  const auto net = MakeNet(kNet, On());
  SetInputs(*net);
  CheckParamGradients(*net);
}

TEST_P(NetTest, GradientsAddUpUntilTheyAreCleared) {
  const auto net = MakeNet(kNet, On());
  SetInputs(*net);
  ForwardBackward(*net);
  const std::vector<double> once = ReadParamDiff(*net, "p", 0);
  net->Backward();
  std::vector<double> twice = once;
  for (double& v : twice) v *= 2;
  ExpectNear(ReadParamDiff(*net, "p", 0), twice, 1e-14);
  ForwardBackward(*net);
  EXPECT_EQ(ReadParamDiff(*net, "p", 0), once);
}

// Layer by layer, as `crema time` runs it, is the same pass.
TEST_P(NetTest, LayerByLayerIsTheSame) {
  const auto whole = MakeNet(kNet, On()), parts = MakeNet(kNet, On());
  SetInputs(*whole);
  SetInputs(*parts);
  ForwardBackward(*whole, 7);
  const int layers = static_cast<int>(parts->graph().layers.size());
  parts->BeginPass(7);
  for (int i = 0; i < layers; ++i) parts->ForwardLayer(i);
  for (int i = layers; i-- > 0;) parts->BackwardLayer(i);
  EXPECT_EQ(parts->loss().ToHost<double>(), whole->loss().ToHost<double>());
  EXPECT_EQ(ReadParamDiff(*parts, "p", 0), ReadParamDiff(*whole, "p", 0));
}

TEST_P(NetTest, TheSeedDecidesTheFirstWeights) {
  const auto a = MakeNet(kNet, On(1)), b = MakeNet(kNet, On(1)), c = MakeNet(kNet, On(2));
  EXPECT_EQ(ReadParam(*a, "p", 0), ReadParam(*b, "p", 0));
  EXPECT_NE(ReadParam(*a, "p", 0), ReadParam(*c, "p", 0));
  EXPECT_NE(ReadParam(*a, "q", 0), ReadParam(*a, "s", 0));
}

TEST_P(NetTest, EveryParameterIsPartOfTheFlatBuffer) {
  const auto net = MakeNet(kNet, On());
  const std::vector<double> flat(static_cast<size_t>(net->flat_params().count()), 2.0);
  net->flat_params().FromHost(flat);
  for (const char* layer : {"p", "q", "s"}) {
    for (double v : ReadParam(*net, layer, 0)) ASSERT_EQ(v, 2) << layer;
    for (double v : ReadParam(*net, layer, 1)) ASSERT_EQ(v, 2) << layer;
  }
}

// Two layers of one name for their weights learn as one: the gradient is the sum of both.
TEST_P(NetTest, NamedParametersAreShared) {
  const std::string shared = "param { name: 'w' } param { name: 'b' }";
  const std::string text =
      Input("x", {2, 3}) + Input("y", {2, 3}) + Input("label", {2}) +
      Product("p", "x", "p", 3, shared) + Product("q", "y", "q", 3, shared) +
      Layer("e", "Eltwise", {"p", "q"}, {"e"}, "eltwise_param { coeff: 1 coeff: -2 }") +
      Layer("loss", "SoftmaxWithLoss", {"e", "label"}, {"loss"});
  const auto net = MakeNet(text, On());
  SetBlob(*net, "x", RandomValues(6, 1));
  SetBlob(*net, "y", RandomValues(6, 2));
  SetBlob(*net, "label", {1, 2});
  test::SetParam(*net, "q", 1, {7, 8, 9});
  EXPECT_EQ(ReadParam(*net, "p", 1), (std::vector<double>{7, 8, 9}));
  CheckParamGradients(*net);
}

TEST_P(NetTest, ANetMayBorrowTheParametersOfAnother) {
  const std::shared_ptr<Device> on = OpenTestDevice(device());
  Net owner(ParseNet(kNet), on);
  NetOptions options;
  options.share_params_with = &owner;
  options.backward = false;
  const Net borrower(ParseNet(kNet + Product("own", "q", "own", 2), proto::TEST), on, options);
  test::SetParam(owner, "p", 1, {1, 2, 3, 4, 5});
  EXPECT_EQ(ReadParam(borrower, "p", 1), (std::vector<double>{1, 2, 3, 4, 5}));
  // Its own layer's parameters only: 3 x 2 and 2, each rounded up to 64 elements.
  EXPECT_EQ(borrower.memory().params, 2 * 64 * sizeof(float));
  EXPECT_EQ(borrower.memory().param_gradients, 0u);
}

TEST_P(NetTest, BorrowersMustFit) {
  const std::shared_ptr<Device> on = OpenTestDevice(device());
  const Net owner(ParseNet(Input("x", {3, 4}) + Product("p", "x", "p", 5)), on);
  NetOptions options;
  options.share_params_with = &owner;
  ExpectError(
      [&] {
        Net(ParseNet(Input("x", {3, 4}) + Product("p", "x", "p", 6)), on, options);
      },
      {"'p' (InnerProduct)", "5 4", "6 4"});
  ExpectError(
      [&] {
        Net(ParseNet(Input("x", {3, 4}) +
                     Layer("p", "InnerProduct", {"x"}, {"p"},
                           "inner_product_param { num_output: 5 bias_term: false }")),
            on, options);
      },
      {"'p' (InnerProduct)", "1 parameter blob ", "2"});
}

TEST_P(NetTest, WrongInputIsReportedAfterThePass) {
  const auto net = MakeNet(kNet, On());
  SetInputs(*net);
  net->Forward(0);
  net->CheckAfterForward();
  SetBlob(*net, "label", {0, 3, 1});
  net->Forward(1);
  ExpectError([&] { net->CheckAfterForward(); }, {"SoftmaxWithLoss", "3"});
}

// Two layers read the labels, so that each has a copy, of another name.
TEST_P(NetTest, WrongInputIsNamedAsInTheText) {
  const auto net = MakeNet(kNet, On());
  SetInputs(*net);
  SetBlob(*net, "label", {0, 3, 1});
  net->Forward(0);
  ExpectError([&] { net->CheckAfterForward(); }, {": its bottom 'label' holds 1 label outside"});
}

TEST_P(NetTest, TellsItsPlan) {
  const std::string text = MakeNet("name: 'small' " + kNet, On())->Describe();
  for (const char* part :
       {"net 'small', phase TRAIN", "p_r_0_split", "InnerProduct", "5x4, 5", "in place",
        "loss weight 0.5", "outputs: first second", "learned parameters: 61"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
}

TEST(FindBlobTest, IsNullWhereThereIsNone) {
  EXPECT_EQ(MakeNet(kNet)->FindBlob("absent"), nullptr);
}

// Each goes by its own batch.
TEST(DataPositionsTest, LayersThatReadDataMayHaveOneName) {
  const TempFolder folder;
  WriteTestDatabase(Backend::kLmdb, folder / "db", 20);
  const auto data = [&](const std::string& top, int batch) {
    return Layer("d", "Data", {}, {top},
                 "data_param { backend: LMDB source: '" + (folder / "db") +
                     "' batch_size: " + std::to_string(batch) + " }");
  };
  MakeNetOptions options;
  options.dtype = DType::kFloat32;
  const auto net = MakeNet(data("x", 4) + data("y", 3), options);
  net->SeekPasses(2);
  using Positions = std::vector<std::pair<std::string, uint64_t>>;
  EXPECT_EQ(net->DataPositions(), (Positions{{"d", 8}, {"d", 6}}));
  EXPECT_EQ(net->DataPositionsBefore(1), (Positions{{"d", 4}, {"d", 3}}));
}

}  // namespace
}  // namespace crema::test
