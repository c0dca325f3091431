// Nets that take inputs of another size, and graphs that do.
#include "net/reshape.h"

#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

class ReshapeTest : public LayerTest {
 protected:
  MakeNetOptions On() const {
    MakeNetOptions options;
    options.device = device();
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ReshapeTest);

// Fully convolutional, with a state (pooling's mask) and shared memory on the way.
std::string ConvNet(int batch, int size) {
  return Input("x", {batch, 2, size, size}) +
         Layer("c", "Convolution", {"x"}, {"c"},
               "convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "
               "'gaussian' std: 0.5 } }") +
         Layer("r", "ReLU", {"c"}, {"c"}) +
         Layer("m", "Pooling", {"c"}, {"m"},
               "pooling_param { pool: MAX kernel_size: 2 stride: 2 }") +
         Layer("s", "Softmax", {"m"}, {"s"}) + Layer("f", "Flatten", {"m"}, {"f"}) +
         Layer("l", "Eltwise", {"f", "f"}, {"l"}, "loss_weight: 1");
}

std::vector<double> RunOn(Net& net, int64_t count) {
  SetBlob(net, "x", RandomValues(count, 3));
  net.ClearGradients();
  ForwardBackward(net);
  return ReadBlob(net, "s");
}

TEST_P(ReshapeTest, GivesWhatANetOfThatSizeGives) {
  const auto net = MakeNet(ConvNet(2, 6), On());
  RunOn(*net, 2 * 2 * 36);
  const std::vector<std::pair<int, int>> sizes = {{1, 5}, {3, 9}, {2, 6}, {1, 12}};
  for (const auto& [batch, size] : sizes) {
    net->Reshape({{"x", Shape{batch, 2, size, size}}});
    const auto fresh = MakeNet(ConvNet(batch, size), On());
    const int64_t count = batch * 2 * size * size;
    EXPECT_EQ(RunOn(*net, count), RunOn(*fresh, count)) << batch << " " << size;
    EXPECT_EQ(net->FindBlob("f")->shape(), fresh->FindBlob("f")->shape());
    EXPECT_EQ(ReadParamDiff(*net, "c", 0), ReadParamDiff(*fresh, "c", 0)) << batch << " " << size;
    EXPECT_EQ(ReadDiff(*net, "m"), ReadDiff(*fresh, "m"));
  }
}

TEST_P(ReshapeTest, KeepsTheMemoryThatIsLargeEnough) {
  const auto net = MakeNet(ConvNet(4, 12), On());
  const void* memory = net->FindBlob("x")->data_tensor().buffer()->memory();
  const size_t bytes = net->memory().Total();
  for (int size : {3, 12, 8, 12}) {
    net->Reshape({{"x", Shape{2, 2, size, size}}});
    EXPECT_EQ(net->FindBlob("x")->data_tensor().buffer()->memory(), memory);
    EXPECT_EQ(net->memory().Total(), bytes);
  }
  net->Reshape({{"x", Shape{8, 2, 24, 24}}});
  EXPECT_GT(net->memory().Total(), bytes);
}

TEST_P(ReshapeTest, BlobsStayWhereTheyAre) {
  const auto net = MakeNet(ConvNet(1, 4), On());
  const Blob* blob = net->FindBlob("m");
  net->Reshape({{"x", Shape{1, 2, 20, 20}}});
  EXPECT_EQ(net->FindBlob("m"), blob);
  EXPECT_EQ(blob->shape(), (Shape{1, 3, 10, 10}));
}

TEST_P(ReshapeTest, ARefusedShapeChangesNothing) {
  const auto net = MakeNet(Input("x", {2, 2, 4, 4}) +
                               Layer("m", "Pooling", {"x"}, {"m"},
                                     "pooling_param { pool: MAX kernel_size: 2 stride: 2 }") +
                               Product("p", "m", "p", 3),
                           On());
  SetBlob(*net, "x", RandomValues(64));
  net->Forward(0);
  const std::vector<double> before = ReadBlob(*net, "p");
  ExpectError(
      [&] {
        net->Reshape({{"x", Shape{2, 2, 6, 6}}});
      },
      {"layer 'p' (InnerProduct)", "18 values", "need 8"});
  EXPECT_EQ(net->FindBlob("x")->shape(), (Shape{2, 2, 4, 4}));
  net->Forward(0);
  EXPECT_EQ(ReadBlob(*net, "p"), before);
  net->Reshape({{"x", Shape{5, 2, 4, 4}}});
  EXPECT_EQ(net->FindBlob("p")->shape(), (Shape{5, 3}));
}

// A layer that does not look itself whether its parameters still fit.
TEST_P(ReshapeTest, ParametersKeepTheirShapes) {
  const auto net = MakeNet(Input("x", {2, 3, 4}) + Layer("s", "Scale", {"x"}, {"s"},
                                                         "scale_param { axis: 1 num_axes: -1 }"),
                           On());
  ExpectError(
      [&] {
        net->Reshape({{"x", Shape{2, 3, 5}}});
      },
      {"layer 's' (Scale)", "parameter 0", "3 4 (12)", "3 5 (15)"});
}

TEST_P(ReshapeTest, OnlyInputsHaveAShapeToGive) {
  const auto net = MakeNet(ConvNet(1, 4), On());
  for (const char* name : {"m", "none"}) {
    ExpectError([&] { net->Reshape({{name, Shape{1}}}); }, {name, "not an input", "has x"});
  }
}

TEST(InferShapesForTest, CutsTheBatchAnew) {
  Graph graph = SlicedGraph();
  const std::vector<Shape> before = ShapesOf(graph);
  std::vector<Shape> after = before;
  after[BlobOf(graph, "x")] = Shape{1, 2, 16, 16};
  InferShapesFor(after, &graph);
  EXPECT_TRUE(graph.slices.empty());
  EXPECT_EQ(graph.blobs[BlobOf(graph, "a")].shape, (Shape{1, 4, 16, 16}));
  InferShapesFor(before, &graph);
  EXPECT_EQ(graph.slices.size(), 1u);
  EXPECT_EQ(ShapesOf(graph), before);
}

// f has as many items as were selected; the layer after it wants two of them at a time.
Graph FilteredGraph() {
  return CompileNet(
      ParseNet(
          Input("x", {6, 3}) + Input("chosen", {6}) + Layer("f", "Filter", {"x", "chosen"}, {"f"}) +
          Layer("r", "Reshape", {"f"}, {"r"}, "reshape_param { shape { dim: -1 dim: 2 dim: 3 } }")),
      DeviceKind::kCpu, {});
}

TEST(SetTopShapesTest, LayersAfterItFollow) {
  Graph graph = FilteredGraph();
  const int filter = LayerOf(graph, "f");
  EXPECT_FALSE(SetTopShapes(filter, {Shape{6, 3}}, &graph));
  EXPECT_TRUE(SetTopShapes(filter, {Shape{4, 3}}, &graph));
  EXPECT_EQ(graph.blobs[BlobOf(graph, "r")].shape, (Shape{2, 2, 3}));
  EXPECT_FALSE(SetTopShapes(filter, {Shape{4, 3}}, &graph));
}

TEST(SetTopShapesTest, ARefusedShapeChangesNothing) {
  Graph graph = FilteredGraph();
  const std::vector<Shape> before = ShapesOf(graph);
  for (int round = 0; round < 2; ++round) {  // it is found each time
    ExpectError(
        [&] {
          SetTopShapes(LayerOf(graph, "f"), {Shape{5, 3}}, &graph);
        },
        {"layer 'r' (Reshape)"});
    EXPECT_EQ(ShapesOf(graph), before);
  }
}

TEST(IsInputTest, OnlyTopsOfInputLayersAre) {
  const Graph graph = FilteredGraph();
  EXPECT_TRUE(IsInput(graph, BlobOf(graph, "chosen")));
  EXPECT_FALSE(IsInput(graph, BlobOf(graph, "f")));
}

}  // namespace
}  // namespace crema::test
