#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

const std::string kConvolution = "convolution_param { num_output: 16 kernel_size: 3 pad: 1 ";

std::unique_ptr<Net> NetOf(const std::string& engine, DType dtype = DType::kFloat32,
                           const std::string& head = "") {
  MakeNetOptions options;
  options.dtype = dtype;
  return MakeNet(head + Input("x", {2, 16, 5, 5}) +
                     Layer("c", "Convolution", {"x"}, {"c"}, kConvolution + engine + " }"),
                 options);
}

TEST(ChooseEnginesTest, TakesTheFastestWhereNoneIsNamed) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  EXPECT_EQ(FindNode(*NetOf(""), "c").engine, "ONEDNN");
  EXPECT_EQ(FindNode(*NetOf("engine: ONEDNN"), "c").engine, "ONEDNN");
  EXPECT_EQ(FindNode(*NetOf(""), "x").engine, "CAFFE");
}

TEST(ChooseEnginesTest, ALayerMayName) {
  const auto net = NetOf("engine: CAFFE");
  EXPECT_EQ(FindNode(*net, "c").engine, "CAFFE");
  EXPECT_EQ(FindNode(*net, "c").engine_note, "");
  EXPECT_EQ(net->graph().layers.size(), 2u);
}

TEST(ChooseEnginesTest, TheNetsEngineGoesFirst) {
  EXPECT_EQ(FindNode(*NetOf("", DType::kFloat32, "engine: 'CAFFE' "), "c").engine, "CAFFE");
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto net = NetOf("engine: CAFFE", DType::kFloat32, "engine: 'ONEDNN' ");
  EXPECT_EQ(FindNode(*net, "c").engine, "ONEDNN");
}

TEST(ChooseEnginesTest, SaysWhyNot) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto net = NetOf("", DType::kFloat64);
  EXPECT_EQ(FindNode(*net, "c").engine, "CAFFE");
  EXPECT_EQ(FindNode(*net, "c").engine_note, "not ONEDNN: it supports float32 only");
  EXPECT_NE(net->Describe().find("float32 only"), std::string::npos);
  ExpectError([] { NetOf("engine: ONEDNN", DType::kFloat64); },
              {"layer 'c' (Convolution)", "ONEDNN cannot run this layer", "float32 only"});
}

TEST(ChooseEnginesTest, AnAlgorithmHasANameInFilesAndATitle) {
  CREMA_NEEDS_ENGINE("WINOGRAD");
  for (const std::string name : {"WINOGRAD", "ONEDNN/WINOGRAD"}) {
    const auto net = NetOf("", DType::kFloat32, "engine: '" + name + "' ");
    EXPECT_EQ(FindNode(*net, "c").engine, "CAFFE");
    EXPECT_EQ(FindNode(*net, "c").engine_note, "not ONEDNN/WINOGRAD: there are too few channels");
  }
}

// Caffe runs such nets on a CPU, too.
TEST(ChooseEnginesTest, TakesAnotherForCudnnWhereThereIsNone) {
  const auto net = NetOf("engine: CUDNN");
  EXPECT_EQ(FindNode(*net, "c").engine, FindNode(*NetOf(""), "c").engine);
  EXPECT_NE(net->Describe().find("not CUDNN: this build has none for the CPU"), std::string::npos)
      << net->Describe();
  const auto plain = NetOf("engine: CUDNN", DType::kFloat64);
  EXPECT_EQ(FindNode(*plain, "c").engine, "CAFFE");
}

TEST(ChooseEnginesTest, RefusesWhatTheBuildHasNot) {
  ExpectError([] { NetOf("", DType::kFloat32, "engine: 'OTHER' "); },
              {"the net", "OTHER", "CAFFE"});
}

}  // namespace
}  // namespace crema::test
