// Gradients in pieces, told of as soon as nothing is added to them any more.
#include "train/gradient_pieces.h"

#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string LossOf(const std::string& bottom) {
  return Layer("loss", "Reduction", {bottom}, {"loss"},
               "loss_weight: 1 reduction_param { operation: SUMSQ }");
}

// b and c have the same weights.
std::string SharingNet(const std::string& more_of_a = "") {
  const std::string shared = "param { name: 'w' } param { name: 'v' }";
  return Input("x", {2, 3}) + Product("a", "x", "a", 4, more_of_a) +
         Layer("r", "ReLU", {"a"}, {"a"}) + Product("b", "a", "b", 4, shared) +
         Product("c", "b", "c", 4, shared) + Product("d", "c", "d", 2) + LossOf("d");
}

std::vector<std::string> LayersOf(const Net& net, const std::vector<GradientPiece>& pieces) {
  std::vector<std::string> names;
  for (const GradientPiece& piece : pieces) {
    names.push_back(net.graph().layers[piece.layer].layer->name());
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(GradientPiecesTest, EachIsDoneAfterTheLastLayerThatAddsToIt) {
  const auto net = MakeNet(SharingNet());
  const std::vector<GradientPiece> pieces = GradientPiecesOf(*net, 1);
  EXPECT_EQ(LayersOf(*net, pieces), (Names{"d", "d", "b", "b", "a", "a"}));
  const std::vector<int64_t> counts = {2, 8, 4, 16, 4, 12};
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].values.count(), counts[i]) << i;
    EXPECT_EQ(pieces[i].values.buffer(), net->flat_gradients().buffer());
  }
}

TEST(GradientPiecesTest, NeighboursAreTogetherUntilTheyAreLargeEnough) {
  const auto net = MakeNet(SharingNet());
  const std::vector<GradientPiece> all = GradientPiecesOf(*net, size_t{1} << 30);
  EXPECT_EQ(LayersOf(*net, all), (Names{"a"}));
  EXPECT_EQ(all[0].values.raw(), net->flat_gradients().raw());
  const Tensor last = net->param(ParamIndex(*net, "d", 1)).diff_tensor();
  EXPECT_EQ(static_cast<const char*>(all[0].values.raw()) + all[0].values.bytes(),
            static_cast<const char*>(last.raw()) + last.bytes());
  const std::vector<GradientPiece> some = GradientPiecesOf(*net, 9 * sizeof(double));
  EXPECT_LT(some.size(), 6u);
  EXPECT_GT(some.size(), 1u);
}

TEST(GradientPiecesTest, FrozenParametersAreLeftOut) {
  const auto net = MakeNet(SharingNet("param { lr_mult: 0 } param { lr_mult: 1 }"));
  EXPECT_EQ(LayersOf(*net, GradientPiecesOf(*net, 1)), (Names{"d", "d", "b", "b", "a"}));
  MakeNetOptions options;
  options.phase = proto::TEST;
  const auto frozen = MakeNet(Input("x", {2, 3}) + Product("a", "x", "a", 4), options);
  EXPECT_TRUE(GradientPiecesOf(*frozen, 1).empty());  // no loss
}

// Notes what a piece holds when it is told of.
class NotingCombiner : public GradientCombiner {
 public:
  explicit NotingCombiner(size_t least) : least_(least) {}
  size_t LeastPieceBytes() const override { return least_; }
  void Begin(const Context&, const Tensor& piece) override {
    noted.emplace_back(piece, piece.ToHost<double>());
  }
  void Finish(const Context&) override {
    ++finished;
    for (const auto& [piece, values] : noted) EXPECT_EQ(piece.ToHost<double>(), values);
  }

  std::vector<std::pair<Tensor, std::vector<double>>> noted;
  int finished = 0;

 private:
  size_t least_;
};

// Also where a layer's work is done by another one.
TEST(PieceObserverTest, NothingIsAddedToAPieceLater) {
  const std::string norm = Layer("n", "BatchNorm", {"a"}, {"a"}) +
                           Layer("s", "Scale", {"a"}, {"a"}, "scale_param { bias_term: true }") +
                           Layer("r", "ReLU", {"a"}, {"a"});
  const std::string texts[] = {SharingNet(), Input("x", {5, 3}) + Product("a", "x", "a", 4) + norm +
                                                 Product("b", "a", "b", 2) + LossOf("b")};
  for (const std::string& text : texts) {
    for (const size_t least : {size_t{1}, size_t{100}, size_t{1} << 30}) {
      SCOPED_TRACE(least);
      const auto net = MakeNet(text);
      SetBlob(*net, "x", RandomValues(net->FindBlob("x")->count(), 3));
      NotingCombiner combiner(least);
      PieceObserver observer(net.get(), &combiner);
      net->ClearGradients();
      net->Forward(0);
      net->Backward(&observer);
      EXPECT_EQ(combiner.finished, 1);
      EXPECT_EQ(combiner.noted.size(), GradientPiecesOf(*net, least).size());
      EXPECT_FALSE(combiner.noted.empty());
    }
  }
}

}  // namespace
}  // namespace crema::test
