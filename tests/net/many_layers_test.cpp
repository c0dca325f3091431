// Nets of very many layers and blobs. What takes time with the square of their number would not end
// here before the tests' limit of time.
#include "net/net_test_util.h"
#include "util/many_cases.h"

namespace crema::test {
namespace {

const int kMany = 40000 / CaseStride(4);

class ManyLayersTest : public testing::TestWithParam<proto::Phase> {
 protected:
  void SetUp() override {
    net_.set_name("many");
    net_.mutable_state()->set_phase(GetParam());
    proto::LayerParameter* input = Add("x", "Input", {}, {"x"});
    proto::BlobShape* shape = input->mutable_input_param()->add_shape();
    for (int64_t dim : {4, 3}) shape->add_dim(dim);
    Add("w", "Scale", {"x"}, {"w"});
  }

  proto::LayerParameter* Add(const std::string& name, const std::string& type,
                             const std::vector<std::string>& bottoms,
                             const std::vector<std::string>& tops) {
    proto::LayerParameter* layer = net_.add_layer();
    layer->set_name(name);
    layer->set_type(type);
    for (const std::string& bottom : bottoms) layer->add_bottom(bottom);
    for (const std::string& top : tops) layer->add_top(top);
    return layer;
  }

  // `count` layers, each on the top of the one before or, in place, on w.
  std::string AddChain(const std::string& type, int count, bool in_place) {
    std::string at = "w";
    for (int i = 0; i < count; ++i) {
      const std::string name = type + std::to_string(i), top = in_place ? at : name;
      Add(name, type, {at}, {top});
      at = top;
    }
    return at;
  }

  // All that `show` does; returns the graph.
  Graph Plan() {
    CompileOptions options;
    options.backward = GetParam() == proto::TRAIN;
    Graph graph = CompileNet(net_, DeviceKind::kCpu, options);
    memory_ = MemoryOf(graph);
    EXPECT_LT(DescribePlan(graph, memory_, "CPU").size(), size_t{64} << 20);
    return graph;
  }

  proto::NetParameter net_;
  NetMemory memory_;
};
INSTANTIATE_TEST_SUITE_P(Phases, ManyLayersTest, testing::Values(proto::TRAIN, proto::TEST),
                         [](const auto& info) { return proto::Phase_Name(info.param); });

TEST_P(ManyLayersTest, ReadersOfOneBlob) {
  for (int i = 0; i < kMany; ++i) {
    const std::string name = "r" + std::to_string(i);
    Add(name, "TanH", {"w"}, {name})->add_loss_weight(1);
  }
  EXPECT_EQ(Plan().outputs.size(), static_cast<size_t>(kMany));
}

TEST_P(ManyLayersTest, BottomsOfOneLayer) {
  std::vector<std::string> tops;
  for (int i = 0; i < kMany; ++i) {
    tops.push_back("r" + std::to_string(i));
    Add(tops.back(), "TanH", {"w"}, {tops.back()});
  }
  Add("c", "Concat", tops, {"c"})->add_loss_weight(1);
  const Graph graph = Plan();
  EXPECT_EQ(graph.blobs[graph.outputs.at(0)].shape, (Shape{4, 3 * kMany}));
}

TEST_P(ManyLayersTest, SumsThatOneLayerJoins) {
  std::vector<std::string> tops;
  for (int i = 0; i < kMany; ++i) {
    tops.push_back("r" + std::to_string(i));
    Add(tops.back(), "Eltwise", {"w", "x"}, {tops.back()});
  }
  Add("c", "Concat", tops, {"c"})->add_loss_weight(1);
  Plan();
}

TEST_P(ManyLayersTest, AChain) {
  Add("loss", "Reduction", {AddChain("Sigmoid", kMany, false)}, {"loss"})->add_loss_weight(1);
  Plan();
  if (GetParam() == proto::TEST) {
    EXPECT_LT(memory_.arena, 4096u);
  }
}

TEST_P(ManyLayersTest, AChainInPlace) {
  for (const char* type : {"Sigmoid", "ReLU", "BatchNorm"}) AddChain(type, kMany / 3, true);
  Add("loss", "Reduction", {"w"}, {"loss"})->add_loss_weight(1);
  Plan();
}

TEST_P(ManyLayersTest, AChainOfViews) {
  Add("loss", "Reduction", {AddChain("Flatten", kMany, false)}, {"loss"})->add_loss_weight(1);
  Plan();
  EXPECT_LT(memory_.arena + memory_.kept, 4096u);
}

// Each BatchNorm takes over the work of the two that follow.
TEST_P(ManyLayersTest, LayersThatAreFused) {
  std::string at = "w";
  for (int i = 0; i < kMany / 3; ++i) {
    const std::string number = std::to_string(i);
    Add("b" + number, "BatchNorm", {at}, {"b" + number});
    Add("s" + number, "Scale", {"b" + number}, {"b" + number});
    Add("r" + number, "ReLU", {"b" + number}, {"b" + number});
    at = "b" + number;
  }
  Add("loss", "Reduction", {at}, {"loss"})->add_loss_weight(1);
  const Graph graph = Plan();
  EXPECT_GE(graph.layers[3].absorbed_by, 0);
}

TEST_P(ManyLayersTest, LayersThatAreRecomputed) {
  AddChain("Sigmoid", kMany / 4, false);
  for (int i = 2; i < net_.layer_size(); i += 2) net_.mutable_layer(i)->set_recompute(true);
  Add("loss", "Reduction", {"Sigmoid" + std::to_string(kMany / 4 - 1)}, {"loss"})
      ->add_loss_weight(1);
  Plan();
}

// A batch of as many images as a shape may have.
TEST_P(ManyLayersTest, ABatchOfTooManyImages) {
  net_.mutable_layer(0)->mutable_input_param()->mutable_shape(0)->set_dim(0, int64_t{1} << 46);
  AddChain("TanH", 1000, false);
  Plan();
  EXPECT_GT(memory_.data, size_t{1} << 46);
}

TEST(ManyPartsTest, SlicesOfAPrimeBatch) {
  // Parts of one image each, more than an int counts.
  const std::string text =
      Layer("x", "Input", {}, {"x"}, "input_param { shape { dim: 70368744177643 dim: 2 } }") +
      Layer("a", "TanH", {"x"}, {"a"}) + Layer("b", "TanH", {"a"}, {"b"}) +
      Layer("c", "TanH", {"b"}, {"c"});
  CompileOptions options;
  options.backward = false;
  for (const int processors : {1, 2}) {
    options.processors = processors;
    const Graph graph = CompileNet(ParseNet(text, proto::TEST), DeviceKind::kCpu, options);
    MemoryOf(graph);
    for (const BlobNode& blob : graph.blobs) EXPECT_EQ(blob.shape[1], 2);
  }
}

TEST(ManyParamsTest, AreFoundByName) {
  std::string text = Input("x", {1, 1}), at = "x";
  for (int i = 0; i < kMany / 2; ++i) {
    const std::string name = "s" + std::to_string(i);
    text += Layer(name, "Scale", {at}, {name});
    at = name;
  }
  const auto owner = MakeNet(text);
  NetOptions options;
  options.dtype = DType::kFloat64;
  options.share_params_with = owner.get();
  const Net borrower(ParseNet(text), owner->context().shared_device(), options);
  EXPECT_EQ(borrower.flat_params().count(), 0);
}

}  // namespace
}  // namespace crema::test
