#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "net/passes.h"

namespace crema::test {
namespace {

// The names of the layers that stay, as "a b c".
std::string Kept(const std::string& state, const std::string& text) {
  proto::NetParameter net;
  ReadNetText("state { " + state + " }\n" + text, "test net", &net);
  const proto::NetParameter filtered = FilterLayers(net);
  std::string names;
  for (const auto& layer : filtered.layer()) names += (names.empty() ? "" : " ") + layer.name();
  return names;
}

std::string Rule(const std::string& name, const std::string& rules) {
  return Layer(name, "Any", {}, {}, rules);
}

TEST(FilterTest, LayerWithoutRulesStaysInEveryState) {
  EXPECT_EQ(Kept("phase: TRAIN", Rule("a", "")), "a");
  EXPECT_EQ(Kept("phase: TEST level: 9 stage: 's'", Rule("a", "")), "a");
}

TEST(FilterTest, PhaseOfARule) {
  const std::string text =
      Rule("train", "include { phase: TRAIN }") + Rule("test", "include { phase: TEST }") +
      Rule("not_train", "exclude { phase: TRAIN }") + Rule("not_test", "exclude { phase: TEST }");
  EXPECT_EQ(Kept("phase: TRAIN", text), "train not_test");
  EXPECT_EQ(Kept("phase: TEST", text), "test not_train");
}

TEST(FilterTest, PhaseIsTestWhereTheStateSaysNothing) {
  EXPECT_EQ(Kept("", Rule("a", "include { phase: TEST }")), "a");
  EXPECT_EQ(Kept("", Rule("a", "include { phase: TRAIN }")), "");
}

TEST(FilterTest, LevelsAreInclusiveAndDefaultToZero) {
  const std::string text = Rule("min", "include { min_level: 2 }") +
                           Rule("max", "include { max_level: 2 }") +
                           Rule("both", "include { min_level: 1 max_level: 3 }");
  EXPECT_EQ(Kept("", text), "max");
  EXPECT_EQ(Kept("level: 1", text), "max both");
  EXPECT_EQ(Kept("level: 2", text), "min max both");
  EXPECT_EQ(Kept("level: 3", text), "min both");
  EXPECT_EQ(Kept("level: 4", text), "min");
}

TEST(FilterTest, ARuleNeedsAllItsStages) {
  const std::string text =
      Rule("a", "include { stage: 'x' }") + Rule("ab", "include { stage: 'x' stage: 'y' }");
  EXPECT_EQ(Kept("", text), "");
  EXPECT_EQ(Kept("stage: 'x'", text), "a");
  EXPECT_EQ(Kept("stage: 'y' stage: 'x'", text), "a ab");
}

TEST(FilterTest, ARuleAllowsNoneOfItsNotStages) {
  const std::string text = Rule("a", "include { not_stage: 'x' not_stage: 'y' }");
  EXPECT_EQ(Kept("", text), "a");
  EXPECT_EQ(Kept("stage: 'z'", text), "a");
  EXPECT_EQ(Kept("stage: 'y' stage: 'z'", text), "");
}

TEST(FilterTest, OneOfSeveralRulesIsEnough) {
  const std::string text = Rule("in", "include { stage: 'x' } include { phase: TRAIN }") +
                           Rule("out", "exclude { stage: 'x' } exclude { phase: TRAIN }");
  EXPECT_EQ(Kept("phase: TEST", text), "out");
  EXPECT_EQ(Kept("phase: TEST stage: 'x'", text), "in");
  EXPECT_EQ(Kept("phase: TRAIN", text), "in");
}

TEST(FilterTest, AllConditionsOfOneRuleMustHold) {
  const std::string text = Rule("a", "include { phase: TRAIN stage: 'x' min_level: 1 }");
  EXPECT_EQ(Kept("phase: TRAIN stage: 'x' level: 1", text), "a");
  EXPECT_EQ(Kept("phase: TRAIN stage: 'x'", text), "");
  EXPECT_EQ(Kept("phase: TRAIN level: 1", text), "");
  EXPECT_EQ(Kept("phase: TEST stage: 'x' level: 1", text), "");
}

TEST(FilterTest, BothKindsOfRulesAreAnError) {
  ExpectError([] { Kept("", Rule("odd", "include { phase: TEST } exclude { phase: TRAIN }")); },
              {"layer 'odd'", "both include and exclude"});
}

TEST(FilterTest, TheRestOfTheNetStays) {
  proto::NetParameter net = ParseNet("name: 'n' force_backward: true " + Rule("a", ""));
  const proto::NetParameter kept = FilterLayers(net);
  EXPECT_EQ(kept.SerializeAsString(), net.SerializeAsString());
}

}  // namespace
}  // namespace crema::test
