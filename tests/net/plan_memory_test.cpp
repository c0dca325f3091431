// Where the plan puts things, and whether anybody misses what it has given away.
#include <gtest/gtest.h>

#include <filesystem>

#include "../../tools/dummy_data.h"
#include "net/net_test_util.h"
#include "net/passes.h"
#include "schema/upgrade.h"
#include "util/paths.h"

namespace crema::test {
namespace {

MemoryPiece Piece(int64_t bytes, int first, int last) { return {bytes, {first, last}, {}}; }

void ExpectNoOverlap(const std::vector<MemoryPiece>& pieces, int64_t total) {
  for (size_t a = 0; a < pieces.size(); ++a) {
    EXPECT_GE(pieces[a].offset, 0);
    EXPECT_EQ(pieces[a].offset % 64, 0);
    EXPECT_LE(pieces[a].offset + pieces[a].bytes, total);
    for (size_t b = 0; b < a; ++b) {
      const bool apart = pieces[a].offset + pieces[a].bytes <= pieces[b].offset ||
                         pieces[b].offset + pieces[b].bytes <= pieces[a].offset;
      ASSERT_TRUE(apart || !pieces[a].Meets(pieces[b])) << a << " and " << b;
    }
  }
}

TEST(PlacePiecesTest, LivesThatMeetLieApart) {
  std::vector<MemoryPiece> pieces = {Piece(64, 0, 2), Piece(128, 2, 3), Piece(64, 3, 5)};
  EXPECT_EQ(PlacePieces(false, &pieces), 192);
  ExpectNoOverlap(pieces, 192);
}

TEST(PlacePiecesTest, LivesThatDoNotMeetShare) {
  std::vector<MemoryPiece> pieces = {Piece(64, 0, 1), Piece(128, 2, 3), Piece(64, 4, 4)};
  EXPECT_EQ(PlacePieces(false, &pieces), 128);
}

TEST(PlacePiecesTest, SharesBetweenTwoLivesOfAPiece) {
  std::vector<MemoryPiece> pieces = {{64, {0, 1}, {6, 7}}, Piece(64, 2, 5), Piece(64, 5, 6)};
  EXPECT_EQ(PlacePieces(false, &pieces), 128);
  ExpectNoOverlap(pieces, 128);
  EXPECT_EQ(pieces[0].offset, pieces[1].offset);
}

TEST(PlacePiecesTest, TakesTheSmallestGapThatFits) {
  // When the last one comes the first and the third are gone: gaps of 256 and 128 bytes.
  std::vector<MemoryPiece> pieces = {Piece(256, 0, 4), Piece(192, 0, 9), Piece(128, 0, 4),
                                     Piece(128, 0, 9), Piece(128, 5, 9)};
  EXPECT_EQ(PlacePieces(false, &pieces), 704);
  EXPECT_EQ(pieces[4].offset, pieces[2].offset);
}

TEST(PlacePiecesTest, ManyPiecesAtRandom) {
  const std::vector<double> random = RandomLabels(3 * 300, 40, 5);
  std::vector<MemoryPiece> pieces;
  int64_t sum = 0;
  for (int i = 0; i < 300; ++i) {
    const int first = static_cast<int>(random[3 * i]);
    pieces.push_back(Piece(64 * (1 + static_cast<int64_t>(random[3 * i + 1])), first,
                           first + static_cast<int>(random[3 * i + 2]) / 4));
    sum += pieces.back().bytes;
  }
  for (bool by_middle : {false, true}) {
    const int64_t total = PlacePieces(by_middle, &pieces);
    ExpectNoOverlap(pieces, total);
    EXPECT_LT(total, sum / 4);
  }
}

// So many that the small ones are placed by the step.
TEST(PlacePiecesTest, ThousandsOfPieces) {
  const int count = 12000;
  const std::vector<double> random = RandomLabels(3 * count, 1000, 5);
  std::vector<MemoryPiece> pieces;
  std::vector<int64_t> live(1100);
  for (int i = 0; i < count; ++i) {
    const int first = static_cast<int>(random[3 * i]);
    const int last = first + static_cast<int>(random[3 * i + 1]) / 20;
    pieces.push_back(Piece(64 * (1 + static_cast<int64_t>(random[3 * i + 2])), first, last));
    if (i % 100 == 0) pieces.back().recomputed = {last + 2, last + 3};
    for (int step = first; step <= last + 3; ++step) live[step] += pieces.back().bytes;
  }
  const int64_t least = *std::max_element(live.begin(), live.end());
  for (bool by_middle : {false, true}) {
    const int64_t total = PlacePieces(by_middle, &pieces);
    ExpectNoOverlap(pieces, total);
    EXPECT_LT(total, 2 * least);
  }
}

TEST(PlacePiecesTest, MayShareTheirMiddles) {
  std::vector<MemoryPiece> pieces = {Piece(512, 0, 1), Piece(256, 1, 2), Piece(384, 2, 3),
                                     Piece(128, 3, 4)};
  EXPECT_EQ(PlacePieces(true, &pieces), 768);
  ExpectNoOverlap(pieces, 768);
  const auto middle = [&](int i) { return pieces[i].offset + pieces[i].bytes / 2; };
  EXPECT_EQ(middle(2), middle(0));
  EXPECT_EQ(middle(3), middle(1));
}

// To lie on one of the middles, most of the small ones would need memory of their own.
TEST(PlacePiecesTest, DoNotPayMuchForTheirMiddles) {
  std::vector<MemoryPiece> pieces = {Piece(512, 0, 1), Piece(512, 0, 1), Piece(1024, 2, 3)};
  for (int i = 0; i < 8; ++i) pieces.push_back(Piece(128, 4, 5));
  std::vector<MemoryPiece> plain = pieces;
  const int64_t least = PlacePieces(false, &plain), total = PlacePieces(true, &pieces);
  EXPECT_EQ(least, 1024);
  EXPECT_LE(4 * total, 5 * least);
  ExpectNoOverlap(pieces, total);
}

TEST(PlacePiecesTest, NoneTakeNothing) {
  for (bool by_middle : {false, true}) {
    std::vector<MemoryPiece> none;
    EXPECT_EQ(PlacePieces(by_middle, &none), 0);
  }
}

const char kWeights[] =
    " weight_filler { type: 'gaussian' std: 0.4 } bias_filler { type: 'gaussian' std: 0.1 } ";

// A residual block, branches that are joined, views, layers in place and not, a dead end, labels.
std::string BlockNet() {
  const auto conv = [](const char* name, const char* bottom, int outputs) {
    return Layer(name, "Convolution", {bottom}, {name},
                 "convolution_param { kernel_size: 3 pad: 1 num_output: " +
                     std::to_string(outputs) + kWeights + "}");
  };
  return Layer("data", "DummyData", {}, {"x", "label"},
               "dummy_data_param { shape { dim: 3 dim: 2 dim: 8 dim: 8 } shape { dim: 3 } "
               "data_filler { type: 'gaussian' std: 1 } data_filler { type: 'uniform' max: 5 } }") +
         conv("c0", "x", 4) + Layer("b0", "BatchNorm", {"c0"}, {"c0"}) +
         Layer("s0", "Scale", {"c0"}, {"c0"}, "scale_param { bias_term: true }") +
         Layer("r0", "ReLU", {"c0"}, {"c0"}) + conv("c1", "c0", 4) +
         Layer("b1", "BatchNorm", {"c1"}, {"b1"}) +
         Layer("s1", "Scale", {"b1"}, {"s1"}, "scale_param { bias_term: true }") +
         Layer("r1", "ReLU", {"s1"}, {"r1"}) + conv("c2", "r1", 4) +
         Layer("sum", "Eltwise", {"c2", "c0"}, {"sum"}) +
         Layer("r2", "ReLU", {"sum"}, {"sum"}, "relu_param { negative_slope: 0.1 }") +
         conv("c3", "sum", 3) + Layer("t3", "TanH", {"c3"}, {"t3"}) +
         Layer("d3", "Dropout", {"t3"}, {"d3"}) +
         Layer("p3", "Pooling", {"sum"}, {"p3"},
               "pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 }") +
         Layer("n3", "LRN", {"p3"}, {"n3"}) + Layer("cat", "Concat", {"d3", "n3"}, {"cat"}) +
         Layer("e", "ELU", {"cat"}, {"e"}) + Layer("end", "Power", {"e"}, {"end"}) +
         Layer("quiet", "Silence", {"end"}, {}) +
         Layer("pool", "Pooling", {"e"}, {"pool"},
               "pooling_param { pool: AVE kernel_size: 4 stride: 4 }") +
         Layer("flat", "Flatten", {"pool"}, {"flat"}) +
         Layer("fc", "InnerProduct", {"flat"}, {"fc"},
               std::string("inner_product_param { num_output: 5") + kWeights + "}") +
         Layer("top", "Softmax", {"fc"}, {"top"}) +
         Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"}) +
         Layer("other", "Reduction", {"pool"}, {"other"},
               "reduction_param { operation: SUMSQ } loss_weight: 0.01");
}

class SharedMemoryTest : public LayerTest {
 protected:
  std::unique_ptr<Net> Make(const proto::NetParameter& config, bool keep,
                            bool backward = true) const {
    NetOptions options;
    options.keep_blobs = keep;
    options.check_memory = !keep;
    options.backward = backward;
    options.fuse = false;
    return std::make_unique<Net>(config, OpenTestDevice(device()), options);
  }

  // Three passes, of which the last only runs forward, give the same with memory shared.
  void ExpectSame(const proto::NetParameter& config) const {
    const auto expected = Make(config, true), net = Make(config, false);
    const auto forward = Make(config, false, false);
    for (uint64_t step = 0; step < 3; ++step) {
      for (Net* each : {expected.get(), net.get(), forward.get()}) each->Forward(step);
      ExpectSameResults(*net, *expected);
      ExpectSameResults(*forward, *expected);
      if (step == 2) break;
      for (Net* each : {expected.get(), net.get()}) {
        each->ClearGradients();
        each->Backward();
      }
      EXPECT_EQ(net->flat_gradients().ToHost<float>(), expected->flat_gradients().ToHost<float>());
    }
    EXPECT_EQ(net->flat_params().ToHost<float>(), expected->flat_params().ToHost<float>());
    EXPECT_LE(net->memory().Total(), expected->memory().Total());
  }

  static void ExpectSameResults(const Net& net, const Net& expected) {
    EXPECT_EQ(net.loss().ToHost<float>(), expected.loss().ToHost<float>());
    for (int output : expected.graph().outputs) {
      const std::string& name = expected.graph().blobs[output].name;
      EXPECT_EQ(ReadBlob(net, name), ReadBlob(expected, name)) << name;
    }
  }
};
CREMA_ON_ALL_DEVICES(SharedMemoryTest);

TEST_P(SharedMemoryTest, NobodyMissesWhatIsGivenAway) { ExpectSame(ParseNet(BlockNet())); }

TEST_P(SharedMemoryTest, NorInATestNet) { ExpectSame(ParseNet(BlockNet(), proto::TEST)); }

TEST_P(SharedMemoryTest, NorWhereAllGradientsAreForced) {
  ExpectSame(ParseNet("force_backward: true " + BlockNet()));
}

// A net's states that go on from batch to batch are not part of what is shared.
TEST_P(SharedMemoryTest, RecurrentStatesGoOn) {
  ExpectSame(ParseNet(
      Layer("data", "DummyData", {}, {"x", "cont"},
            "dummy_data_param { shape { dim: 3 dim: 2 dim: 4 } shape { dim: 3 dim: 2 } data_filler "
            "{ type: 'gaussian' std: 1 } data_filler { type: 'constant' value: 1 } }") +
      Layer("lstm", "LSTM", {"x", "cont"}, {"h"},
            "recurrent_param { num_output: 3 weight_filler { type: 'gaussian' std: 1 } }") +
      Layer("rnn", "RNN", {"h", "cont"}, {"y"},
            "recurrent_param { num_output: 3 weight_filler { type: 'gaussian' std: 1 } }") +
      Layer("loss", "Reduction", {"y"}, {"loss"}, "loss_weight: 1")));
}

TEST_P(SharedMemoryTest, InputsStayUntilTheyAreSetAnew) {
  const auto net = Make(ParseNet(Input("x", {2, 6}) + Product("p", "x", "y", 6) +
                                 Product("q", "y", "z", 6) + Product("r", "z", "u", 6)),
                        false);
  SetBlob(*net, "x", RandomValues(12));
  net->Forward(0);
  const std::vector<double> first = ReadBlob(*net, "u");
  net->Forward(1);
  EXPECT_EQ(ReadBlob(*net, "u"), first);
}

// With force_backward the user sets the gradient of an output, and reads that of an input.
TEST_P(SharedMemoryTest, GradientsPassFromOutputToInput) {
  const std::string text = "force_backward: true " + Input("x", {2, 3}) +
                           Product("p", "x", "y", 4) + Layer("t", "TanH", {"y"}, {"t"}) +
                           Product("q", "t", "z", 2);
  std::vector<double> results[2];
  for (bool keep : {true, false}) {
    const auto net = Make(ParseNet(text), keep);
    SetBlob(*net, "x", RandomValues(6));
    net->FindBlob("z")->diff_tensor().FromHost(RandomValues(4, 3));
    ForwardBackward(*net);
    results[keep] = ReadDiff(*net, "x");
  }
  EXPECT_NE(results[0], std::vector<double>(6, 0));
  EXPECT_EQ(results[0], results[1]);
}

// One reader of a Slice sends no gradient: that part is zero, whatever lay there before.
TEST_P(SharedMemoryTest, AGradientThatNobodySendsIsZero) {
  ExpectSame(ParseNet(Layer("data", "DummyData", {}, {"x"},
                            "dummy_data_param { shape { dim: 2 dim: 6 } "
                            "data_filler { type: 'gaussian' std: 1 } }") +
                      Product("p", "x", "y", 8) + Layer("s", "Slice", {"y"}, {"a", "b"}) +
                      Product("q", "a", "c", 3) +
                      Product("r", "b", "d", 3, "propagate_down: false") +
                      Layer("e", "EuclideanLoss", {"c", "d"}, {"loss"})));
}

TEST_P(SharedMemoryTest, NetsThatTakeTurnsShareOneArena) {
  const proto::NetParameter config = ParseNet(BlockNet());
  const auto device_of_both = OpenTestDevice(device());
  NetOptions options;
  options.check_memory = true;
  options.fuse = false;
  Net first(config, device_of_both, options);
  proto::NetParameter larger = config;
  larger.mutable_layer(0)->mutable_dummy_data_param()->mutable_shape(0)->set_dim(0, 7);
  larger.mutable_layer(0)->mutable_dummy_data_param()->mutable_shape(1)->set_dim(0, 7);
  const auto alone_first = Make(config, true), alone_second = Make(larger, true);
  options.share_memory_with = &first;
  Net second(larger, device_of_both, options);
  for (uint64_t step = 0; step < 3; ++step) {
    for (Net* net : {&first, &second, alone_first.get(), alone_second.get()}) {
      ForwardBackward(*net, step);
    }
    EXPECT_EQ(first.flat_gradients().ToHost<float>(),
              alone_first->flat_gradients().ToHost<float>());
    EXPECT_EQ(second.flat_gradients().ToHost<float>(),
              alone_second->flat_gradients().ToHost<float>());
    ExpectSameResults(first, *alone_first);
  }
  const int inside = 2;  // c0
  EXPECT_EQ(first.blob(inside).data_tensor().buffer(), second.blob(inside).data_tensor().buffer());
}

TEST_P(SharedMemoryTest, AForwardOnlyNetTakesLess) {
  const auto train = Make(ParseNet(BlockNet()), false);
  const auto forward = Make(ParseNet(BlockNet()), false, false);
  const auto blobs = [](const Net& net) { return net.memory().arena - net.memory().scratch; };
  EXPECT_LT(blobs(*forward), blobs(*train) / 2);
  EXPECT_EQ(forward->memory().gradients, 0u);
}

// Random data for a net in models/, two items a batch.
void MakeSmall(const std::string& name, proto::NetParameter* config) {
  for (proto::LayerParameter& layer : *config->mutable_layer()) {
    if (layer.has_data_param()) layer.mutable_data_param()->set_batch_size(2);
  }
  const bool mnist = name == "lenet" || name.find("mnist") == 0;
  const bool cifar = name.find("cifar") == 0;
  const int64_t channels = name == "mnist_siamese" ? 2 : mnist ? 1 : 3;
  const int64_t size = mnist ? 28 : cifar ? 32 : 224;
  ReplaceDataLayers({2, channels, size, size}, config);
}

double ForwardFlops(const Graph& graph) {
  double flops = 0;
  for (const LayerNode& node : graph.layers) flops += node.layer->ForwardFlops();
  return flops;
}

void CheckPlan(const proto::NetParameter& config) {
  const MemoryPlan plan = PlanMemory(CompileNet(config, DeviceKind::kCpu, {}));
  ExpectNoOverlap(plan.pieces, static_cast<int64_t>(plan.memory.arena));
}

// All nets in models/: pieces that live at the same time lie apart, and, where it does not take
// long, nobody misses anything in training.
TEST_P(SharedMemoryTest, HoldsTheNetsInModels) {
  if (device() == DeviceKind::kFake) GTEST_SKIP() << "the fake GPU is too slow for them";
  constexpr double kMostFlops = 1e8;
  int nets = 0;
  for (const auto& folder : std::filesystem::directory_iterator(SourceFolder() / "models")) {
    const std::filesystem::path file = folder.path() / "train_val.prototxt";
    if (!std::filesystem::exists(file)) continue;
    SCOPED_TRACE(file.string());
    ++nets;
    proto::NetParameter config;
    ReadNetFile(file.string(), &config);
    config.mutable_state()->set_phase(proto::TRAIN);
    MakeSmall(folder.path().filename().string(), &config);
    CheckPlan(config);
    if (ForwardFlops(CompileNet(config, device(), {})) < kMostFlops) ExpectSame(config);
    const std::filesystem::path deploy = folder.path() / "deploy.prototxt";
    if (!std::filesystem::exists(deploy)) continue;
    proto::NetParameter deployed;
    ReadNetFile(deploy.string(), &deployed);
    deployed.mutable_state()->set_phase(proto::TEST);
    CheckPlan(deployed);
  }
  EXPECT_GT(nets, 12);
}

// The copies of a split are one memory, unless a layer changes one of them in place.
TEST(PlanMemoryTest, ASplitsTopsAreViewsUntilOneIsChanged) {
  const auto net = MakeNet(Input("x", {2, 3}) + Product("p", "x", "y", 4) +
                           Product("q", "y", "a", 2) + Layer("r", "Flatten", {"y"}, {"f"}) +
                           Layer("s", "ReLU", {"f"}, {"f"}) + Product("t", "y", "b", 2));
  const auto place = [&](const char* name) { return net->FindBlob(name)->data_tensor().raw(); };
  EXPECT_EQ(place("y_p_0_split_0"), place("y"));
  EXPECT_EQ(place("y_p_0_split_1"), place("y"));
  EXPECT_EQ(place("y_p_0_split_2"), place("y"));
  EXPECT_NE(place("f"), place("y"));
  SetBlob(*net, "x", RandomValues(6));
  net->Forward(0);
  const std::vector<double> y = ReadBlob(*net, "y"), f = ReadBlob(*net, "f");
  ASSERT_LT(*std::min_element(y.begin(), y.end()), 0);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(f[i], std::max(y[i], 0.0));
}

}  // namespace
}  // namespace crema::test
