// What a net tells those who observe its passes.
#include "crema/pass_observer.h"

#include <utility>
#include <vector>

#include "net/net_test_util.h"

namespace crema::test {
namespace {

// Layers 0 to 3: x, p, r (in place), loss.
const std::string kNet = Input("x", {2, 3}) + Product("p", "x", "p", 4) +
                         Layer("r", "ReLU", {"p"}, {"p"}) +
                         Layer("loss", "Reduction", {"p"}, {"loss"}, "loss_weight: 1");

struct Stop {};

// Writes down the layers; gives up before layer `stop`.
struct Recorder : PassObserver {
  void BeginForward() override { ++begun; }
  void BeforeForward(int layer, int lane) override {
    EXPECT_EQ(lane, 0);
    if (layer == stop) throw Stop();
    running = layer;
  }
  void AfterForward(int layer, int /*lane*/) override {
    EXPECT_EQ(layer, running);
    forward.push_back(layer);
  }
  void BeforeBackward(int layer) override {
    if (layer == stop) throw Stop();
    running = layer;
  }
  void AfterBackward(int layer) override {
    EXPECT_EQ(layer, running);
    backward.push_back(layer);
  }
  void EndBackward() override { ++ended; }

  int stop = -1, running = -1, begun = 0, ended = 0;
  std::vector<int> forward, backward;
};

TEST(PassObserverTest, IsToldOfEveryLayerInTheOrderOfThePass) {
  const auto net = MakeNet(kNet);
  Recorder recorder;
  net->Forward(0, &recorder);
  EXPECT_EQ(recorder.begun, 1);
  EXPECT_EQ(recorder.forward, (std::vector<int>{0, 1, 2, 3}));
  net->Backward(&recorder);
  EXPECT_EQ(recorder.backward, (std::vector<int>{3, 2, 1, 0}));
  EXPECT_EQ(recorder.ended, 1);
}

TEST(PassObserverTest, MayGiveAPassUpAndAnotherOneMayFollow) {
  const auto net = MakeNet(kNet), other = MakeNet(kNet);
  for (Net* each : {net.get(), other.get()}) SetBlob(*each, "x", RandomValues(6, 3));
  Recorder recorder;
  recorder.stop = 2;
  EXPECT_THROW(net->Forward(0, &recorder), Stop);
  EXPECT_EQ(recorder.forward, (std::vector<int>{0, 1}));
  net->Forward(0);
  EXPECT_THROW(net->Backward(&recorder), Stop);
  EXPECT_EQ(recorder.backward, (std::vector<int>{3}));
  EXPECT_EQ(recorder.ended, 0);
  ForwardBackward(*net);
  ForwardBackward(*other);
  EXPECT_EQ(ReadParamDiff(*net, "p", 0), ReadParamDiff(*other, "p", 0));
}

}  // namespace
}  // namespace crema::test
