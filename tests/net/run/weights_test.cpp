// Weights from files into nets, and back.
#include <fstream>

#include "net/net_test_util.h"
#include "schema/schema_test_util.h"

namespace crema::test {
namespace {

class NetWeightsTest : public ::testing::Test {
 protected:
  void SetUp() override { path_ = (TestFolder() / "net.caffemodel").string(); }
  void Save(const proto::NetParameter& net) const {
    std::ofstream file(path_, std::ios::binary);
    ASSERT_TRUE(net.SerializeToOstream(&file));
  }
  void Save(const Net& net, bool with_gradients = false) const {
    proto::NetParameter saved;
    net.ToProto(&saved, with_gradients);
    Save(saved);
  }
  std::string path_;
};

const std::string kTwo = Input("x", {2, 4}) + Product("p", "x", "p", 3) + Product("q", "p", "q", 2);

TEST_F(NetWeightsTest, RoundTripIsExact) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    MakeNetOptions first, second;
    first.dtype = second.dtype = dtype;
    second.seed = 2;
    const auto from = MakeNet(kTwo, first), to = MakeNet(kTwo, second);
    ASSERT_NE(ReadParam(*from, "q", 0), ReadParam(*to, "q", 0));
    Save(*from);
    const WeightsReport report = to->LoadWeights(path_);
    for (const char* layer : {"p", "q"}) {
      EXPECT_EQ(ReadParam(*from, layer, 0), ReadParam(*to, layer, 0));
      EXPECT_EQ(ReadParam(*from, layer, 1), ReadParam(*to, layer, 1));
    }
    EXPECT_EQ(report.copied.size(), 2u);
    EXPECT_TRUE(report.skipped.empty() && report.left_out.empty());
  }
}

TEST_F(NetWeightsTest, TellsWhatBecameOfEachLayer) {
  Save(*MakeNet(kTwo));
  const auto net =
      MakeNet(Input("x", {2, 4}) + Product("p", "x", "p", 3) + Product("r", "p", "r", 2));
  const std::vector<double> before = ReadParam(*net, "r", 0);
  const WeightsReport report = net->LoadWeights(path_);
  ASSERT_EQ(report.copied.size(), 1u);
  EXPECT_EQ(report.copied[0].substr(0, 2), "p ");
  EXPECT_EQ(report.skipped, (std::vector<std::string>{"q"}));
  ASSERT_EQ(report.left_out.size(), 1u);
  EXPECT_EQ(report.left_out[0].substr(0, 2), "r ");
  EXPECT_EQ(ReadParam(*net, "r", 0), before);
  EXPECT_EQ(
      report.ToString(),
      "Weights: 1 layer copied, 1 layer of the file not in the net, 1 layer of the net not in "
      "the file\n"
      "  copied       p (3x4, 3)\n"
      "  not in net   q: the net has no layer of this name, so it is ignored\n"
      "  not in file  r (2x3, 2): it keeps its initial values");
  EXPECT_EQ(
      WeightsReport().ToString(),
      "Weights: 0 layers copied, 0 layers of the file not in the net, 0 layers of the net not "
      "in the file");
}

// What a foreign file names cannot pass for a line of the log.
TEST_F(NetWeightsTest, NamesWithEndsOfLinesAreEscaped) {
  proto::NetParameter saved;
  MakeNet(kTwo)->ToProto(&saved, false);
  for (proto::LayerParameter& layer : *saved.mutable_layer()) {
    if (layer.name() == "q") layer.set_name("q\nIteration 1, loss = 0");
  }
  Save(saved);
  const WeightsReport report = MakeNet(kTwo)->LoadWeights(path_);
  EXPECT_NE(report.ToString().find(
                "\n  not in net   q\\x0aIteration 1, loss = 0: the net has no layer of this name"),
            std::string::npos)
      << report.ToString();
}

TEST_F(NetWeightsTest, OtherShapesAreAnError) {
  Save(*MakeNet(kTwo));
  const auto wide = MakeNet(Input("x", {2, 4}) + Product("p", "x", "p", 5));
  ExpectError([&] { wide->LoadWeights(path_); },
              {"'p' (InnerProduct)", "parameter 0", "5 4", "3 4", path_, "rename"});
  const auto no_bias =
      MakeNet(Input("x", {2, 4}) + Layer("p", "InnerProduct", {"x"}, {"p"},
                                         "inner_product_param { num_output: 3 bias_term: false }"));
  ExpectError([&] { no_bias->LoadWeights(path_); }, {"'p' (InnerProduct)", "1 parameter", "2"});
}

// Old files give every shape as num, channels, height, width.
TEST_F(NetWeightsTest, OldShapesFitWhereLeadingOnesAreLeftOut) {
  proto::NetParameter saved;
  MakeNet(kTwo)->ToProto(&saved, false);
  for (proto::LayerParameter& layer : *saved.mutable_layer()) {
    for (proto::BlobProto& blob : *layer.mutable_blobs()) {
      const auto dims = blob.shape().dim();
      blob.set_num(1);
      blob.set_channels(1);
      blob.set_height(dims.size() == 2 ? static_cast<int>(dims.Get(0)) : 1);
      blob.set_width(static_cast<int>(dims.Get(dims.size() - 1)));
      blob.clear_shape();
    }
  }
  Save(saved);
  MakeNetOptions other;
  other.seed = 2;
  const auto net = MakeNet(kTwo, other);
  EXPECT_EQ(net->LoadWeights(path_).copied.size(), 2u);
  EXPECT_EQ(ReadParam(*net, "p", 0), ReadParam(*MakeNet(kTwo), "p", 0));
}

TEST_F(NetWeightsTest, GradientsAreKeptOnRequest) {
  const auto net = MakeNet(kTwo + Input("label", {2}) +
                           Layer("loss", "SoftmaxWithLoss", {"q", "label"}, {"loss"}));
  SetBlob(*net, "x", RandomValues(8));
  ForwardBackward(*net);
  proto::NetParameter with, without;
  net->ToProto(&with, true);
  net->ToProto(&without, false);
  for (const proto::LayerParameter& layer : with.layer()) {
    if (layer.name() != "p") continue;
    ASSERT_EQ(layer.blobs(0).double_diff_size(), 12);
    EXPECT_EQ(layer.blobs(0).double_diff(5), ReadParamDiff(*net, "p", 0)[5]);
  }
  for (const proto::LayerParameter& layer : without.layer()) {
    for (const proto::BlobProto& blob : layer.blobs()) {
      EXPECT_EQ(blob.diff_size() + blob.double_diff_size(), 0);
    }
  }
}

TEST_F(NetWeightsTest, MissingFilesAreAnError) {
  const auto net = MakeNet(kTwo);
  ExpectError([&] { net->LoadWeights(path_ + ".none"); }, {path_ + ".none"});
}

}  // namespace
}  // namespace crema::test
