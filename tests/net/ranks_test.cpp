// Nets that train together, each with a part of the batch.
#include "crema/dev/registry.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::unique_ptr<Net> MakeRank(const std::string& text, Rank rank) {
  NetOptions options;
  options.dtype = DType::kFloat64;
  options.rank = rank;
  return std::make_unique<Net>(ParseNet(text), OpenDevice(DeviceKind::kCpu), options);
}

TEST(RanksTest, HaveTheSameWeightsAndDropOtherUnits) {
  const std::string text =
      Input("x", {4, 6}) + Product("p", "x", "y", 20) + Layer("d", "Dropout", {"y"}, {"z"});
  const auto run = [&](Rank rank) {
    const auto net = MakeRank(text, rank);
    SetBlob(*net, "x", RandomValues(24, 3));
    net->Forward(5);
    return std::make_pair(ReadParam(*net, "p", 0), ReadBlob(*net, "z"));
  };
  const auto alone = run({}), first = run({0, 2}), second = run({1, 2});
  EXPECT_EQ(first, alone);
  EXPECT_EQ(second.first, first.first);
  EXPECT_NE(second.second, first.second);
}

TEST(RanksTest, HaveOtherDummyData) {
  const std::string text =
      Layer("d", "DummyData", {}, {"x"},
            "dummy_data_param { shape { dim: 30 } data_filler { type: 'gaussian' std: 1 } }");
  const auto run = [&](Rank rank) {
    const auto net = MakeRank(text, rank);
    net->Forward(0);
    return ReadBlob(*net, "x");
  };
  EXPECT_EQ(run({0, 3}), run({}));
  EXPECT_NE(run({1, 3}), run({0, 3}));
  EXPECT_NE(run({2, 3}), run({1, 3}));
}

// Reads a source and knows nothing of others that do.
class LonelyLayer : public crema::Layer {
 public:
  using crema::Layer::Layer;
  LayerTraits traits() const override { return LayerTraits::Source(1, 1); }
  LayerPlan Plan(const PlanInput&) override {
    LayerPlan plan;
    plan.tops = {Shape{2}};
    return plan;
  }
  void Forward(Context&, const BlobList&, const BlobList&) override {}
  std::optional<uint64_t> position() const override { return 0; }
};

CREMA_REGISTER_LAYER("LonelyOfTests", LonelyLayer);

TEST(RanksTest, NeedSourcesThatCanBeShared) {
  const std::string text = Layer("d", "LonelyOfTests", {}, {"x"});
  MakeRank(text, {});
  ExpectError(
      [&] {
        MakeRank(text, {1, 2});
      },
      {"layer 'd' (LonelyOfTests)", "all 2 ranks the same records"});
}

}  // namespace
}  // namespace crema::test
