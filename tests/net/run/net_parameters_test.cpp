// Where parameters lie, whose they are, and what they begin with.
#include "net/run/net_parameters.h"

#include "net/run/sliced_net.h"
#include "tensor/param_block.h"
#include "util/limited_device.h"

namespace crema::test {
namespace {

// p.0 has 5 x 4 elements and p.1 5, q.0 3 x 5 and q.1 3.
const std::string kTwo = Input("x", {3, 4}) + Product("p", "x", "p", 5) + Product("q", "p", "q", 3);
const std::string kLoss =
    Layer("loss", "Reduction", {"q"}, {"loss"}, "loss_weight: 1 reduction_param { }");

class NetParametersTest : public testing::Test {
 protected:
  static Graph Compile(const std::string& text, const CompileOptions& options = {}) {
    return CompileNet(ParseNet(text), DeviceKind::kCpu, options);
  }
  static std::vector<double> Values(const NetParameters& parameters, int i) {
    return parameters.blob(i).data_tensor().ToHost<double>();
  }
  static int64_t OffsetIn(const Tensor& flat, const Tensor& view) {
    return (static_cast<const char*>(view.raw()) - static_cast<const char*>(flat.raw())) /
           static_cast<int64_t>(SizeOf(flat.dtype()));
  }

  std::shared_ptr<LimitedDevice> device_ = std::make_shared<LimitedDevice>();
  Context ctx_{device_};
};

TEST_F(NetParametersTest, EachBeginsABlockOfTheFlatBuffers) {
  const Graph graph = Compile(kTwo + kLoss);
  const NetParameters parameters(graph, ctx_, nullptr);
  ASSERT_EQ(parameters.count(), 4);
  EXPECT_EQ(parameters.values().shape(), (Shape{4 * kParamBlock}));
  EXPECT_EQ(parameters.gradients().shape(), (Shape{4 * kParamBlock}));
  for (int i = 0; i < 4; ++i) {
    const Blob& blob = parameters.blob(i);
    EXPECT_EQ(OffsetIn(parameters.values(), blob.data_tensor()), i * kParamBlock);
    EXPECT_EQ(OffsetIn(parameters.gradients(), blob.diff_tensor()), i * kParamBlock);
  }
  EXPECT_EQ(parameters.blob(2).name(), "q.0");
  EXPECT_EQ(parameters.blob(2).shape(), (Shape{3, 5}));
  for (double value : parameters.values().ToHost<double>()) ASSERT_EQ(value, 0);
  for (double value : parameters.gradients().ToHost<double>()) ASSERT_EQ(value, 0);
}

TEST_F(NetParametersTest, HaveNoGradientsIfNoneIsComputed) {
  const Graph without_loss = Compile(kTwo);
  CompileOptions forward;
  forward.backward = false;
  const Graph forward_only = Compile(kTwo + kLoss, forward);
  for (const Graph* graph : {&without_loss, &forward_only}) {
    const NetParameters parameters(*graph, ctx_, nullptr);
    EXPECT_EQ(parameters.gradients().count(), 0);
    EXPECT_FALSE(parameters.blob(0).has_diff());
    EXPECT_EQ(parameters.WantGradients(graph->layers[LayerOf(*graph, "p")]),
              (std::vector<bool>{false, false}));
  }
}

TEST_F(NetParametersTest, FrozenOnesWantNoGradient) {
  const Graph graph =
      Compile(Input("x", {3, 4}) + Product("p", "x", "p", 5, "param { lr_mult: 0 }") +
              Product("q", "p", "q", 3) + kLoss);
  const NetParameters parameters(graph, ctx_, nullptr);
  const LayerNode& p = graph.layers[LayerOf(graph, "p")];
  EXPECT_EQ(parameters.WantGradients(p), (std::vector<bool>{false, true}));
  EXPECT_EQ(parameters.Of(p), (BlobList{&parameters.blob(0), &parameters.blob(1)}));
}

TEST_F(NetParametersTest, OfOneSharedNameAreOne) {
  const std::string shared = "param { name: 'w' } param { name: 'b' }";
  const Graph graph = Compile(Input("x", {3, 4}) + Product("p", "x", "p", 4, shared) +
                              Product("q", "p", "q", 4, shared) + kLoss);
  const NetParameters parameters(graph, ctx_, nullptr);
  EXPECT_EQ(parameters.values().shape(), (Shape{2 * kParamBlock}));
  for (int i : {0, 1}) {
    const Blob &owner = parameters.blob(i), &sharer = parameters.blob(i + 2);
    EXPECT_EQ(sharer.data_tensor().raw(), owner.data_tensor().raw());
    EXPECT_EQ(sharer.diff_tensor().raw(), owner.diff_tensor().raw());
  }
}

TEST_F(NetParametersTest, MayBeBorrowed) {
  const Graph graph = Compile(kTwo + kLoss);
  const NetParameters owner(graph, ctx_, nullptr);
  owner.Fill(1);
  const std::vector<double> before = Values(owner, 0);
  const Graph other = Compile(kTwo + Product("own", "q", "own", 2));
  const NetParameters borrower(other, ctx_, &owner);
  EXPECT_EQ(borrower.blob(0).data_tensor().raw(), owner.blob(0).data_tensor().raw());
  EXPECT_FALSE(borrower.blob(0).has_diff());
  EXPECT_EQ(borrower.values().shape(), (Shape{2 * kParamBlock}));
  borrower.Fill(2);
  EXPECT_EQ(Values(owner, 0), before);
  EXPECT_NE(Values(borrower, 4), std::vector<double>(6, 0));
}

TEST_F(NetParametersTest, AreBorrowedWithTheirShapesOnly) {
  const Graph graph = Compile(kTwo),
              wider = Compile(Input("x", {3, 4}) + Product("p", "x", "p", 6));
  const NetParameters owner(graph, ctx_, nullptr);
  ExpectError([&] { NetParameters(wider, ctx_, &owner); },
              {"layer 'p' (InnerProduct)", "parameter 0", "6 4", "5 4"});
}

TEST_F(NetParametersTest, TheirFirstValuesDependOnTheSeed) {
  const Graph graph = Compile(kTwo);
  const NetParameters parameters(graph, ctx_, nullptr);
  parameters.Fill(1);
  const std::vector<double> first = Values(parameters, 0);
  parameters.Fill(2);
  EXPECT_NE(Values(parameters, 0), first);
  parameters.Fill(1);
  EXPECT_EQ(Values(parameters, 0), first);
}

TEST_F(NetParametersTest, MayNotFit) {
  const Graph graph = Compile(kTwo + kLoss);
  device_->set_limit(device_->used() + 5 * kParamBlock * sizeof(float));  // 8 are needed
  EXPECT_THROW(NetParameters(graph, ctx_, nullptr), Error);
}

}  // namespace
}  // namespace crema::test
