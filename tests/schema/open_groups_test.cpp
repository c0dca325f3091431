#include "schema/open_groups.h"

#include <gtest/gtest.h>

#include "crema.pb.h"

namespace crema {
namespace {

using google::protobuf::Descriptor;

const Descriptor* Net() { return proto::NetParameter::descriptor(); }
const Descriptor* Layer() { return proto::LayerParameter::descriptor(); }
const Descriptor* Pooling() { return proto::PoolingParameter::descriptor(); }

TEST(OpenGroups, AFileIsCalledByItsKind) {
  const std::string text;
  OpenGroups net(text, Net());
  EXPECT_EQ(net.Subject(), "a net");
  EXPECT_EQ(net.Path(), "");
  EXPECT_EQ(net.Where(), "");
  EXPECT_EQ(net.LayerName(), "");
  EXPECT_EQ(net.depth(), 0u);
  EXPECT_EQ(OpenGroups(text, proto::SolverParameter::descriptor()).Subject(), "a solver");
}

TEST(OpenGroups, ALayerIsCalledByTheNameThatFollows) {
  const std::string text = "layer { pooling_param { } name: \"pool1\" }";
  OpenGroups groups(text, Net());
  groups.Open({"layer", Layer(), 0, 6, {}});
  EXPECT_EQ(groups.Subject(), "layer \"pool1\"");
  EXPECT_EQ(groups.Where(), "layer \"pool1\": ");
  groups.Open({"pooling_param", Pooling(), 0, 22, {}});
  EXPECT_EQ(groups.Subject(), "layer \"pool1\": pooling_param");
  EXPECT_EQ(groups.Path(), "layer \"pool1\", pooling_param");
  EXPECT_EQ(groups.Where(), "layer \"pool1\": in pooling_param, ");
  EXPECT_EQ(groups.LayerName(), "pool1");
  EXPECT_EQ(groups.depth(), 2u);
  groups.Close();
  EXPECT_EQ(groups.Top().field, "layer");
}

TEST(OpenGroups, ALayerWithoutANameIsCalledByItsLine) {
  const std::string text = "\n\nlayer { pooling_param { name: \"not the layer's\" } }";
  OpenGroups groups(text, Net());
  groups.Open({"layer", Layer(), 2, 6, {}});
  EXPECT_EQ(groups.Subject(), "the layer that starts on line 3");
}

TEST(OpenGroups, GroupsOutsideLayersAreCalledByTheirPath) {
  const std::string text = "state { }";
  OpenGroups groups(text, Net());
  groups.Open({"state", proto::NetState::descriptor(), 0, 6, {}});
  EXPECT_EQ(groups.Subject(), "state");
  EXPECT_EQ(groups.Where(), "in state, ");
}

TEST(OpenGroups, LongWordsAreShortened) {
  EXPECT_EQ(Shortened("conv1"), "conv1");
  EXPECT_EQ(Shortened("two\nlines"), "two...");
  EXPECT_EQ(Shortened(std::string(61, 'a')), std::string(60, 'a') + "...");
}

}  // namespace
}  // namespace crema
