// The graph that a net's text becomes: connections, counts, shared parameters, outputs.
#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "net/passes.h"
#include "schema/schema_test_util.h"

namespace crema::test {
namespace {

Graph Build(const std::string& text, proto::Phase phase = proto::TRAIN) {
  return BuildGraph(InsertSplits(FilterLayers(ParseNet(text, phase))), DType::kFloat32,
                    DeviceKind::kCpu, true);
}

void ExpectBuildError(const std::string& text, const std::vector<std::string>& parts) {
  ExpectError([&] { Build(text); }, parts);
}

const std::string kInput = Input("x", {2, 3});

// Throws where its name says: a number, or what is a std::exception where the name ends with "!".
class ThrowerOfTests : public crema::Layer {
 public:
  ThrowerOfTests(const proto::LayerParameter& config, Phase phase) : crema::Layer(config, phase) {
    MayThrow("constructor");
  }
  LayerTraits traits() const override {
    MayThrow("traits");
    return LayerTraits::Elementwise();
  }
  LayerPlan Plan(const PlanInput& input) override {
    MayThrow("plan");
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }
  void Forward(Context&, const BlobList&, const BlobList&) override { MayThrow("forward"); }
  void Backward(Context&, const BlobList&, const std::vector<bool>&, const BlobList&) override {
    MayThrow("backward");
  }

 private:
  void MayThrow(const std::string& where) const {
    if (name() == where) throw 42;
    if (name() == where + "!") throw std::logic_error("of tests");
  }
};

CREMA_REGISTER_LAYER("ThrowerOfTests", ThrowerOfTests);

// Two products that share their weights; `first` and `second` are their param entries.
std::string Sharing(const std::string& first, const std::string& second) {
  return Input("x", {2, 3}) + Input("y", {2, 3}) + Product("one", "x", "a", 4, first) +
         Product("two", "y", "b", 4, second);
}

TEST(InferShapesTest, NamePhaseAndShapes) {
  const Graph graph = Build("name: 'small' " + kInput + Product("p", "x", "y", 4), proto::TEST);
  EXPECT_EQ(graph.name, "small");
  EXPECT_EQ(graph.phase, Phase::kTest);
  ASSERT_EQ(graph.blobs.size(), 2u);
  EXPECT_EQ(graph.blobs[1].name, "y");
  EXPECT_EQ(graph.blobs[1].shape, (Shape{2, 4}));
  EXPECT_EQ(graph.blobs[1].producer, 1);
  ASSERT_EQ(graph.params.size(), 2u);
  EXPECT_EQ(graph.params[0].decl.shape, (Shape{4, 3}));
  EXPECT_EQ(graph.params[1].layer, 1);
  EXPECT_EQ(graph.params[1].index, 1);
}

TEST(InferShapesTest, ALayersOwnPhaseWins) {
  const Graph graph = Build(kInput + Layer("d", "Dropout", {"x"}, {"y"}, "phase: TEST"));
  EXPECT_EQ(graph.layers[0].layer->phase(), Phase::kTrain);
  EXPECT_EQ(graph.layers[1].layer->phase(), Phase::kTest);
}

TEST(InferShapesTest, OutputsAreTheUnreadBlobsSortedByName) {
  const Graph graph = Build(kInput + Product("p", "x", "zebra", 2) + Product("q", "x", "ant", 2) +
                            Layer("r", "ReLU", {"zebra"}, {"zebra"}) + Input("mouse", {1}));
  std::vector<std::string> names;
  for (int output : graph.outputs) names.push_back(graph.blobs[output].name);
  EXPECT_EQ(names, (std::vector<std::string>{"ant", "mouse", "zebra"}));
  for (const BlobNode& blob : graph.blobs) {
    const bool listed = std::count(names.begin(), names.end(), blob.name) > 0;
    EXPECT_EQ(blob.is_output, listed) << blob.name;
  }
}

TEST(InferShapesTest, InPlaceLayersShareOneBlob) {
  const Graph graph = Build(kInput + Product("p", "x", "y", 4) + Layer("r", "ReLU", {"y"}, {"y"}));
  EXPECT_EQ(graph.blobs.size(), 2u);
  EXPECT_EQ(graph.layers[2].bottoms, graph.layers[2].tops);
}

TEST(InferShapesTest, EmptyNetIsAnError) {
  ExpectBuildError("name: 'nothing'", {"'nothing'", "no layers"});
}

TEST(InferShapesTest, NetWhoseLayersAreAllLeftOutIsAnError) {
  ExpectBuildError("name: 'gone' " + Layer("a", "ReLU", {"x"}, {"y"}, "include { phase: TEST }"),
                   {"'gone'", "no layers in this phase", "include and exclude"});
}

TEST(InferShapesTest, UnknownLayerTypeSuggestsTheNearest) {
  ExpectBuildError(kInput + Layer("p", "InerProduct", {"x"}, {"y"}),
                   {"layer 'p'", "'InerProduct'", "did you mean 'InnerProduct'?"});
}

// Whatever a layer throws is told as an Error that names it. Our own code is no library that
// another engine could stand in for.
TEST(InferShapesTest, WhateverALayerThrowsIsAnErrorThatNamesIt) {
  for (const std::string where : {"constructor", "traits", "plan", "forward", "backward"}) {
    const auto run = [&](const std::string& name) {
      return ErrorOf([&] {
        const auto net = MakeNet(kInput + Product("p", "x", "y", 4) +
                                 Layer(name, "ThrowerOfTests", {"y"}, {"z"}, "loss_weight: 1"));
        net->Forward(0);
        net->Backward();
      });
    };
    EXPECT_EQ(run(where), "layer '" + where +
                              "' (ThrowerOfTests): it threw something that is no std::exception; "
                              "its code shall throw crema::Error, with a sentence that says why");
    EXPECT_EQ(run(where + "!"), "layer '" + where + "!' (ThrowerOfTests): it failed: of tests");
  }
}

TEST(InferShapesTest, TwoLayersThatMakeOneBlob) {
  ExpectBuildError(kInput + Product("p", "x", "y", 4) + Product("q", "x", "y", 4),
                   {"layer 'q' (InnerProduct)", "top 'y'", "already"});
}

// As of a net for training and testing whose sources do not say which is for what.
TEST(InferShapesTest, TwoSourcesOfOneBlob) {
  const std::string data =
      Layer("train", "DummyData", {}, {"data"}, "dummy_data_param { shape { dim: 2 } }") +
      Layer("test", "DummyData", {}, {"data"}, "dummy_data_param { shape { dim: 2 } }");
  ExpectBuildError(data, {"layer 'test' (DummyData): its top 'data' is already produced by layer "
                          "'train' (DummyData); if one is for training and the other for testing, "
                          "add include { phase: TRAIN } to the one and include { phase: TEST } to "
                          "the other"});
}

TEST(InferShapesTest, ATopThatIsAnotherBottomIsNotInPlace) {
  ExpectBuildError(kInput + Input("z", {2, 3}) + Layer("e", "Eltwise", {"x", "z"}, {"z"}),
                   {"layer 'e'", "top 'z'", "already"});
}

TEST(InferShapesTest, ABlobWithAnotherReaderCannotBeChangedInPlace) {
  ExpectBuildError(kInput + Product("p", "x", "y", 4) + Product("q", "y", "z", 4) +
                       Layer("r", "ReLU", {"y"}, {"y"}),
                   {"layer 'r' (ReLU): cannot change its bottom 'y' in place, because another "
                    "layer reads it, too; rename the top"});
}

TEST(InferShapesTest, ALayerThatCannotRunInPlace) {
  ExpectBuildError(kInput + Product("p", "x", "x", 3),
                   {"layer 'p' (InnerProduct)", "cannot run in place", "'x'"});
}

// Caffe's own nets have such layers: mnist_autoencoder has two named 'loss'.
TEST(InferShapesTest, LayersWithoutParametersMayHaveOneName) {
  const Graph graph = Build(kInput + Product("p", "x", "y", 4) + Layer("p", "ReLU", {"y"}, {"z"}) +
                            Layer("p", "Dropout", {"z"}, {"w"}));
  EXPECT_EQ(graph.layers.size(), 4u);
}

TEST(InferShapesTest, LayersWithParametersMayNot) {
  ExpectBuildError(kInput + Product("p", "x", "y", 4) + Product("p", "y", "z", 4),
                   {"two layers", "'p'", "different names"});
}

TEST(InferShapesTest, WrongNumberOfBottoms) {
  ExpectBuildError(Layer("r", "ReLU", {}, {"y"}),
                   {"layer 'r' (ReLU)", "has 0 bottoms", "expected 1"});
  ExpectBuildError(kInput + Layer("e", "Eltwise", {"x"}, {"y"}),
                   {"layer 'e'", "has 1 bottom,", "at least 2"});
  ExpectBuildError(kInput + Layer("a", "ReLU", {"x", "x", "x"}, {"y"}),
                   {"layer 'a'", "has 3 bottoms", "expected 1"});
}

TEST(InferShapesTest, WrongNumberOfTops) {
  ExpectBuildError(kInput + Layer("r", "ReLU", {"x"}, {}),
                   {"layer 'r'", "has 0 tops", "expected 1"});
  ExpectBuildError(kInput + Product("p", "x", "a", 2, "top: 'b'"),
                   {"layer 'p'", "has 2 tops", "expected 1"});
}

TEST(InferShapesTest, TooManyParamEntries) {
  ExpectBuildError(kInput + Product("p", "x", "y", 4, "param {} param {} param {}"),
                   {"layer 'p'", "3 param entries", "only 2"});
}

TEST(InferShapesTest, PropagateDownNeedsOneABottom) {
  ExpectBuildError(kInput + Input("z", {2, 3}) +
                       Layer("e", "Eltwise", {"x", "z"}, {"y"}, "propagate_down: true"),
                   {"layer 'e'", "1 propagate_down", "2 bottoms"});
}

TEST(InferShapesTest, LossWeightNeedsOneATop) {
  ExpectBuildError(kInput + Product("p", "x", "y", 4, "loss_weight: 1 loss_weight: 1"),
                   {"layer 'p'", "2 loss_weight", "1 top;"});
  const std::string unnamed = kInput + Input("label", {2}) + Product("p", "x", "y", 4);
  ExpectBuildError(
      unnamed + Layer("l", "SoftmaxWithLoss", {"y", "label"}, {}, "loss_weight: 1 loss_weight: 1"),
      {"layer 'l'", "2 loss_weight"});
}

TEST(InferShapesTest, ALossLayerWithoutATopGetsOneThatIsNoOutput) {
  const Graph graph = Build(kInput + Input("label", {2}) + Product("p", "x", "y", 4) +
                            Layer("l", "SoftmaxWithLoss", {"y", "label"}, {}, "loss_weight: 2"));
  ASSERT_EQ(graph.layers[3].tops.size(), 1u);
  EXPECT_EQ(graph.layers[3].loss_weights, (std::vector<float>{2}));
  EXPECT_TRUE(graph.outputs.empty());
}

TEST(InferShapesTest, ErrorsFromShapesNameTheLayer) {
  ExpectBuildError(kInput + Input("z", {2, 4}) + Layer("e", "Eltwise", {"x", "z"}, {"y"}),
                   {"layer 'e' (Eltwise)", "2 3", "2 4"});
}

TEST(InferShapesTest, ParamEntriesGiveTheMultipliers) {
  const Graph graph =
      Build(kInput + Product("p", "x", "y", 4, "param { lr_mult: 2 decay_mult: 3 }"));
  EXPECT_EQ(graph.params[0].lr_mult, 2);
  EXPECT_EQ(graph.params[0].decay_mult, 3);
  EXPECT_EQ(graph.params[1].lr_mult, 1);
  EXPECT_EQ(graph.params[1].decay_mult, 1);
}

TEST(InferShapesTest, StatisticsAreNeverLearned) {
  const Graph graph = Build(kInput + Layer("bn", "BatchNorm", {"x"}, {"y"}));
  ASSERT_EQ(graph.params.size(), 3u);
  for (const ParamNode& param : graph.params) {
    EXPECT_EQ(param.lr_mult, 0);
    EXPECT_EQ(param.decay_mult, 0);
    EXPECT_FALSE(param.wants_gradient);
  }
}

TEST(InferShapesTest, SharedParametersHaveOneOwner) {
  const Graph graph = Build(Sharing("param { name: 'w' } param { name: 'b' }",
                                    "param { name: 'w' } param { name: 'b' }"));
  ASSERT_EQ(graph.params.size(), 4u);
  EXPECT_EQ(graph.params[0].owner, -1);
  EXPECT_EQ(graph.params[1].owner, -1);
  EXPECT_EQ(graph.params[2].owner, 0);
  EXPECT_EQ(graph.params[3].owner, 1);
}

TEST(InferShapesTest, ASharersMultipliersGoToTheOwner) {
  const Graph graph =
      Build(Sharing("param { name: 'w' lr_mult: 3 }", "param { name: 'w' decay_mult: 5 }"));
  for (int p : {0, 2}) {
    EXPECT_EQ(graph.params[p].lr_mult, 3);
    EXPECT_EQ(graph.params[p].decay_mult, 5);
  }
}

TEST(InferShapesTest, EqualMultipliersMayBeSaidTwice) {
  const Graph graph = Build(Sharing("param { name: 'w' lr_mult: 3 decay_mult: 2 }",
                                    "param { name: 'w' lr_mult: 3 decay_mult: 2 }"));
  EXPECT_EQ(graph.params[0].lr_mult, 3);
  EXPECT_EQ(graph.params[0].decay_mult, 2);
}

TEST(InferShapesTest, ConflictingMultipliersAreAnError) {
  ExpectBuildError(Sharing("param { name: 'w' lr_mult: 1 }", "param { name: 'w' lr_mult: 2 }"),
                   {"layer 'two'", "lr_mult of 2", "1", "'w'"});
  ExpectBuildError(
      Sharing("param { name: 'w' decay_mult: 1 }", "param { name: 'w' decay_mult: 0 }"),
      {"layer 'two'", "decay_mult of 0", "1", "'w'"});
}

// The third layer freezes what the first two left at the default.
TEST(InferShapesTest, ALateSharerFreezesAll) {
  const Graph graph =
      Build(Sharing("param { name: 'w' }", "param { name: 'w' }") + Input("z", {2, 3}) +
            Product("three", "z", "c", 4, "param { name: 'w' lr_mult: 0 }"));
  for (int p : {0, 2, 4}) {
    EXPECT_EQ(graph.params[p].lr_mult, 0) << p;
    EXPECT_FALSE(graph.params[p].wants_gradient) << p;
  }
}

std::string SharingShapes(const std::string& mode) {
  return Input("x", {2, 3}) + Input("y", {2, 4}) +
         Product("one", "x", "a", 4, "param { name: 'w' }") +
         Product("two", "y", "b", 3, "param { name: 'w' " + mode + " }");
}

TEST(InferShapesTest, StrictSharingNeedsEqualShapes) {
  ExpectBuildError(SharingShapes(""), {"layer 'two'", "'w'", "layer 'one'", "3 4", "4 3"});
  ExpectBuildError(SharingShapes("share_mode: STRICT"), {"layer 'two'", "'w'"});
}

TEST(InferShapesTest, PermissiveSharingNeedsEqualCounts) {
  const Graph graph = Build(SharingShapes("share_mode: PERMISSIVE"));
  EXPECT_EQ(graph.params[2].owner, 0);
  EXPECT_EQ(graph.params[2].decl.shape, (Shape{3, 4}));
  ExpectBuildError(Input("x", {2, 3}) + Input("y", {2, 5}) +
                       Product("one", "x", "a", 4, "param { name: 'w' }") +
                       Product("two", "y", "b", 3, "param { name: 'w' share_mode: PERMISSIVE }"),
                   {"layer 'two'", "'w'", "3 5", "4 3"});
}

}  // namespace
}  // namespace crema::test
