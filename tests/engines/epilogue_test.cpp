// What engines share: what is absorbed is folded into weights on the device where they are, again
// whenever something that they are made of changes.
#include <gtest/gtest.h>

#include "engines/shared/versioned_cache.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

class EpilogueTest : public LayerTest {
 protected:
  std::unique_ptr<Net> Make(const std::string& text, bool fuse) const {
    NetOptions options;
    options.fuse = fuse;
    options.dtype = DType::kFloat64;
    options.backward = false;
    options.check_memory = true;
    const std::string all =
        Input("x", {4, 6}) + Layer("host", "FoldingHostOfTests", {"x"}, {"h"}) + text;
    auto net = std::make_unique<Net>(ParseNet(all, proto::TEST), OpenTestDevice(device()), options);
    SetBlob(*net, "x", RandomValues(24, 11));
    return net;
  }

  static std::vector<double> OutputOf(Net& net) {
    net.Forward(0);
    return ReadBlob(net, "y");
  }

  // Of every parameter, those of BatchNorm's variance and weight positive.
  static void SetParams(Net* net, uint64_t seed) {
    for (const LayerNode& node : net->graph().layers) {
      for (size_t p = 0; p < node.params.size(); ++p) {
        const Tensor& values = net->param(node.params[p]).data_tensor();
        std::vector<double> random = RandomValues(values.count(), seed + p, 0.5, 0.1);
        values.FromHost(random);
      }
    }
  }

  static size_t Absorbed(const Net& net) { return FindNode(net, "host").absorbed.size(); }
};
CREMA_ON_ALL_DEVICES(EpilogueTest);

TEST_P(EpilogueTest, FoldsOnTheDevice) {
  const std::string norm = Layer("bn", "BatchNorm", {"h"}, {"n"});
  const std::string scale =
      Layer("scale", "Scale", {"n"}, {"s"}, "scale_param { bias_term: true }");
  const std::string text =
      norm + scale + Layer("bias", "Bias", {"s"}, {"b"}) +
      Layer("relu", "ReLU", {"b"}, {"y"}, "relu_param { negative_slope: 0.1 }");
  const auto fused = Make(text, true), plain = Make(text, false);
  EXPECT_EQ(Absorbed(*fused), 4u);
  for (uint64_t seed = 1; seed <= 20; seed += 10) {
    for (Net* net : {fused.get(), plain.get()}) SetParams(net, seed);
    ExpectNear(OutputOf(*fused), OutputOf(*plain), 1e-12);
  }
}

// Each parameter by itself, of the host and of the layers behind it.
TEST_P(EpilogueTest, FoldsAgainWhenAnyNumberChanges) {
  const std::string text = Layer("bn", "BatchNorm", {"h"}, {"n"}) +
                           Layer("scale", "Scale", {"n"}, {"y"}, "scale_param { bias_term: true }");
  const auto net = Make(text, true);
  SetParams(net.get(), 3);
  std::vector<double> before = OutputOf(*net);
  const std::vector<std::pair<std::string, int>> params = {
      {"host", 0}, {"host", 1}, {"bn", 0}, {"bn", 1}, {"bn", 2}, {"scale", 0}, {"scale", 1}};
  for (const auto& [layer, index] : params) {
    const std::vector<double> values = ReadParam(*net, layer, index);
    test::SetParam(*net, layer, index, std::vector<double>(values.size(), 0.8));
    const std::vector<double> now = OutputOf(*net);
    EXPECT_NE(now, before) << layer << " " << index;
    before = now;
  }
}

// Statistics with the weight 0, nothing learned yet, count as mean 0 and variance 0.
TEST_P(EpilogueTest, FoldsStatisticsOfNothing) {
  const std::string text = Layer("bn", "BatchNorm", {"h"}, {"y"}, "batch_norm_param { eps: 0.25 }");
  const auto fused = Make(text, true), plain = Make(text, false);
  EXPECT_EQ(Absorbed(*fused), 1u);
  ExpectNear(OutputOf(*fused), OutputOf(*plain), 1e-12);
}

TEST_P(EpilogueTest, NothingFollowsARelu) {
  const auto net =
      Make(Layer("relu", "ReLU", {"h"}, {"r"}) + Layer("scale", "Scale", {"r"}, {"y"}), true);
  EXPECT_EQ(Absorbed(*net), 1u);
}

TEST(VersionedCacheTest, MakesOnlyWhatIsNew) {
  VersionedCache cache;
  int made = 0, place = 0;
  const auto refresh = [&](uint64_t version) {
    cache.Refresh({{&place, version}}, [&] { ++made; });
    return made;
  };
  EXPECT_EQ(refresh(1), 1);
  EXPECT_EQ(refresh(1), 1);
  EXPECT_EQ(refresh(2), 2);
  cache.Invalidate();
  EXPECT_EQ(refresh(2), 3);
  EXPECT_THROW(cache.Refresh({{&place, 7}}, [] { throw 1; }), int);
  EXPECT_EQ(refresh(7), 4);
}

}  // namespace
}  // namespace crema::test
