// Sizes whose products and sums are too large. No memory is taken for these nets.
#include "crema/dev/compile.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

// Dimensions as text, since they may be beyond an int.
std::string InputOf(const std::string& top, const std::vector<std::string>& dims) {
  std::string shape;
  for (const std::string& dim : dims) shape += " dim: " + dim;
  return Layer(top, "Input", {}, {top}, "input_param { shape {" + shape + " } }");
}

void ExpectRefused(const std::string& text, const std::vector<std::string>& parts) {
  SCOPED_TRACE(text);
  ExpectError([&] { MemoryOf(CompileNet(ParseNet(text), DeviceKind::kCpu, {})); }, parts);
}

NetMemory MemoryFor(const std::string& text) {
  return MemoryOf(CompileNet(ParseNet(text), DeviceKind::kCpu, {}));
}

const std::string kLarge = "4294967296";  // 2^32

TEST(SizesTest, Inputs) {
  ExpectRefused(InputOf("x", {kLarge, kLarge}), {"layer 'x' (Input)", "too many elements"});
  ExpectRefused(InputOf("x", {"0", kLarge, kLarge}), {"layer 'x' (Input)", "too many elements"});
  ExpectRefused(InputOf("x", {kLarge, kLarge, "0"}), {"layer 'x' (Input)", "too many elements"});
}

TEST(SizesTest, AllTogether) {
  std::string text = "name: 'much' ";
  for (int i = 0; i < 4096; ++i) text += InputOf("x" + std::to_string(i), {"281474976710656"});
  ExpectRefused(text, {"the net 'much'", "more than any machine has"});
}

TEST(SizesTest, Convolutions) {
  const std::string image = InputOf("x", {"1", "3", "30000", "30000"});
  const auto layer = [](const std::string& type, const std::string& options) {
    return Layer("c", type, {"x"}, {"c"}, "convolution_param { engine: CAFFE " + options + " }");
  };
  for (const char* type : {"Convolution", "Im2col"}) {
    ExpectRefused(
        image + layer(type, "num_output: 1 pad: 16777216 kernel_size: 16777216 stride: 16777216"),
        {"layer 'c'", "kernel_size", "smaller kernel_size"});
    ExpectRefused(image + layer(type, "num_output: 1 kernel_size: 20000"),
                  {"layer 'c'", "all windows of an image", "281474976710656"});
    ExpectRefused(
        InputOf("x", {"1", "1", "100000", "100000"}) + layer(type, "num_output: 1 kernel_size: 1"),
        {"layer 'c'", "a channel has more than 2147483647 values"});
  }
  ExpectRefused(InputOf("x", {"1", "16777216", "9", "9"}) +
                    layer("Convolution", "num_output: 16777216 kernel_size: 9"),
                {"layer 'c'", "num_output and kernel_size", "weights"});
  ExpectRefused(image + layer("Deconvolution", "num_output: 1 kernel_size: 1 stride: 16777216"),
                {"layer 'c'", "the extent of the output along axis 2"});
  ExpectRefused(InputOf("x", {"1", "1", "3", "3", "3", "3", "3", "3"}) +
                    layer("Deconvolution", "num_output: 1 kernel_size: 1 stride: 4000000"),
                {"layer 'c'", "a channel has more than 2147483647 values"});
}

TEST(SizesTest, ConvolutionsOfAnyEngine) {
  const std::string layer = Layer(
      "c", "Convolution", {"x"}, {"c"},
      "convolution_param { num_output: 1 pad: 16777216 kernel_size: 16777216 stride: 16777216 }");
  ExpectRefused(InputOf("x", {"1", "3", "30", "30"}) + layer, {"layer 'c'", "kernel_size"});
}

TEST(SizesTest, Pooling) {
  const auto pool = [](const std::string& options) {
    return InputOf("x", {"1", "1", "8", "8"}) +
           Layer("p", "Pooling", {"x"}, {"p"}, "pooling_param { " + options + " }");
  };
  for (const char* field : {"kernel_size: 4294967295", "kernel_size: 2 stride: 4294967295",
                            "kernel_size: 2 pad: 4294967295"}) {
    ExpectRefused(pool(field), {"layer 'p' (Pooling)", "4294967295"});
  }
  ExpectRefused(pool("kernel_size: 20000000 pad: 19999999"), {"layer 'p' (Pooling)", "20000000"});
}

TEST(SizesTest, Crop) {
  const std::string images = InputOf("x", {"1", "1", kLarge}) + InputOf("r", {"1", "1", "8"});
  const auto crop = [](const std::string& options) {
    return Layer("c", "Crop", {"x", "r"}, {"c"}, "crop_param { axis: 2 " + options + " }");
  };
  EXPECT_GT(MemoryFor(images + crop("offset: 4294967288")).data, 0u);
  ExpectRefused(images + crop("offset: 4294967289"), {"layer 'c' (Crop)", "offset 4294967289"});
  ExpectRefused(InputOf("x", {"1", "1", kLarge}) + InputOf("r", {"1", "1", kLarge}) + crop(""),
                {"layer 'c' (Crop)", "axis 2", "4294967296", "2147483647"});
}

TEST(SizesTest, Reshape) {
  const auto reshape = [](const std::string& options) {
    return InputOf("x", {"2", "8"}) +
           Layer("r", "Reshape", {"x"}, {"r"}, "reshape_param { " + options + " }");
  };
  ExpectRefused(reshape("axis: 1 num_axes: 2147483647 shape { dim: 8 }"),
                {"layer 'r' (Reshape)", "num_axes is 2147483647"});
  ExpectRefused(reshape("axis: -2147483648 shape { dim: 8 }"),
                {"layer 'r' (Reshape)", "axis is -2147483648"});
  ExpectRefused(reshape("shape { dim: 4294967296 dim: 4294967296 }"),
                {"layer 'r' (Reshape)", "too many elements"});
  ExpectRefused(reshape("shape { dim: 4294967296 dim: -1 dim: 4294967296 }"),
                {"layer 'r' (Reshape)", "too many elements"});
}

TEST(SizesTest, Tile) {
  const auto tile = [](const std::vector<std::string>& dims) {
    return InputOf("x", dims) +
           Layer("t", "Tile", {"x"}, {"t"}, "tile_param { axis: 1 tiles: 2147483647 }");
  };
  ExpectRefused(tile({"281474976710656", "1"}), {"layer 't' (Tile)", "too large", "tiles"});
  ExpectRefused(tile({"281474976710656", "0"}), {"layer 't' (Tile)", "too large", "tiles"});
  ExpectRefused(tile({"1024", "2147483647"}), {"layer 't' (Tile)", "too many elements"});
}

TEST(SizesTest, OperandsOfScaleAndBias) {
  for (const char* type : {"Scale", "Bias"}) {
    const std::string param = std::string(type) == "Scale" ? "scale_param" : "bias_param";
    ExpectRefused(InputOf("x", {"2", "8"}) +
                      Layer("s", type, {"x"}, {"s"}, param + " { axis: 1 num_axes: 2147483647 }"),
                  {"layer 's'", "num_axes is 2147483647"});
  }
}

TEST(SizesTest, OtherLayers) {
  ExpectRefused(InputOf("x", {"2", "2147483647"}) +
                    Layer("a", "ArgMax", {"x"}, {"a"},
                          "argmax_param { top_k: 2147483647 out_max_val: true }"),
                {"layer 'a' (ArgMax)", "twice top_k"});
  ExpectRefused(
      InputOf("x", {"2", kLarge}) + InputOf("s", {"2"}) + Layer("f", "Filter", {"x", "s"}, {"f"}),
      {"layer 'f' (Filter)", "4294967296"});
  ExpectRefused(InputOf("x", {"2", kLarge}) + InputOf("l", {"2"}) +
                    Layer("m", "MultinomialLogisticLoss", {"x", "l"}, {"m"}),
                {"layer 'm' (MultinomialLogisticLoss)", "4294967296"});
  ExpectRefused(InputOf("x", {"2", "8"}) +
                    Layer("d", "DummyData", {}, {"d"},
                          "dummy_data_param { num: 4294967295 channels: 4294967295 height: 1 "
                          "width: 1 }"),
                {"layer 'd' (DummyData)", "too many elements"});
  ExpectRefused(Layer("d", "MemoryData", {}, {"d", "l"},
                      "memory_data_param { batch_size: 4294967295 channels: 4294967295 height: 1 "
                      "width: 1 }"),
                {"layer 'd' (MemoryData)", "too many elements"});
}

}  // namespace
}  // namespace crema::test
