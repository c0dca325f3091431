// --dummy-data: nets without their data sets.
#include <gmock/gmock.h>

#include "tools/tool_process.h"
#include "train/train_test_util.h"
#include "util/paths.h"

namespace crema {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

class DummyDataToolTest : public testing::Test {
 protected:
  std::string Show(const std::string& layer, const std::string& shape = "4x3x20x30") {
    const std::filesystem::path file = TestFolder() / "net.prototxt";
    WriteTestFile(file, "layer { name: 'data' top: 'data' top: 'label' " + layer + " }" +
                            "layer { name: 'fc' type: 'InnerProduct' bottom: 'data' top: 'fc' "
                            "inner_product_param { num_output: 7 } }"
                            "layer { name: 'r' type: 'ReLU' bottom: 'fc' top: 'fc' }"
                            "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'fc' "
                            "bottom: 'label' }");
    const ToolResult result =
        RunTool({"show", "--model=" + file.string(), "--dummy-data=" + shape, "--verbose"}, {});
    log_ = result.err;
    return result.out;
  }
  // Of a net of these layers and of one that reads their blob "data".
  std::string ShowSources(const std::string& layers, const std::string& shape) {
    const std::filesystem::path file = TestFolder() / "net.prototxt";
    WriteTestFile(file, layers + "layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }");
    const ToolResult result =
        RunTool({"show", "--model=" + file.string(), "--dummy-data=" + shape, "--verbose"}, {});
    log_ = result.err;
    status_ = result.status;
    return result.out;
  }
  std::string log_;  // of the last Show
  int status_ = 0;   // of the last ShowSources
};

TEST_F(DummyDataToolTest, TakesTheShapeThatIsAskedFor) {
  EXPECT_THAT(Show("type: 'Data' data_param { source: 'none' }"),
              ContainsRegex("-> data, label +4x3x20x30, 4"));
}

// What stands on the command line wins, and the log says what is used.
TEST_F(DummyDataToolTest, OverridesWhatTheLayerStates) {
  const std::string layer =
      "type: 'Data' data_param { source: 'none' batch_size: 64 } transform_param { crop_size: 9 }";
  EXPECT_THAT(Show(layer), ContainsRegex("-> data, label +4x3x20x30, 4"));
  EXPECT_THAT(log_, HasSubstr("layer 'data' (Data): random images of 4x3x20x30 instead of its "
                              "data; the net itself states 64x?x9x9\n"));
  EXPECT_THAT(Show(layer, "0x3x20x0"), ContainsRegex("-> data, label +64x3x20x9, 64"));
  Show("type: 'Data' data_param { source: 'none' batch_size: 4 }");
  EXPECT_THAT(log_, HasSubstr("random images of 4x3x20x30 instead of its data\n"));
  Show("type: 'Data' data_param { source: 'none' batch_size: 4 }", "0x3x0x30");
  EXPECT_THAT(log_, HasSubstr("leaves the height to the net, which does not set it"));
}

// A 0 asks for it.
TEST_F(DummyDataToolTest, TakesWhatTheLayerStates) {
  const struct {
    const char *layer, *asked, *shapes;
  } cases[] = {
      {"type: 'Data' data_param { source: 'none' batch_size: 2 } transform_param { crop_size: 9 }",
       "0x3x0x0", "2x3x9x9, 2"},
      {"type: 'Data' data_param { source: 'none' } transform_param { force_gray: true }",
       "4x0x20x30", "4x1x20x30, 4"},
      {"type: 'ImageData' image_data_param { source: 'none' batch_size: 5 new_height: 6 new_width: "
       "8 is_color: false }",
       "0x0x0x0", "5x1x6x8, 5"},
      {"type: 'MemoryData' memory_data_param { batch_size: 2 channels: 4 height: 5 width: 6 }",
       "0x0x0x0", "2x4x5x6, 2"},
      {"type: 'HDF5Data' hdf5_data_param { source: 'none' batch_size: 3 }", "0x3x20x30",
       "3x3x20x30, 3"},
      {"type: 'WindowData' window_data_param { source: 'none' batch_size: 3 crop_size: 11 }",
       "0x3x0x0", "3x3x11x11, 3"}};
  for (const auto& each : cases) {
    EXPECT_THAT(Show(each.layer, each.asked),
                ContainsRegex(std::string("-> data, label +") + each.shapes))
        << each.layer << log_;
  }
}

// A label out of range would be an error.
TEST_F(DummyDataToolTest, LabelsAreInRange) {
  const std::filesystem::path file = TestFolder() / "net.prototxt";
  Show("type: 'Data' data_param { source: 'none' batch_size: 500 }");
  const ToolResult result =
      RunTool({"time", "--model=" + file.string(), "--iterations=2", "--dummy-data=500x1x2x2"}, {});
  EXPECT_EQ(result.status, 0) << result.err;
}

// Between the last num_output and the loss, layers change how many scores there are.
TEST_F(DummyDataToolTest, LabelsFollowTheShapes) {
  const std::filesystem::path file = TestFolder() / "net.prototxt";
  WriteTestFile(file,
                "layer { name: 'data' type: 'Data' top: 'data' top: 'label' "
                "data_param { source: 'none' batch_size: 500 } }"
                "layer { name: 'fc' type: 'InnerProduct' bottom: 'data' top: 'fc' "
                "inner_product_param { num_output: 12 } }"
                "layer { name: 'cut' type: 'Slice' bottom: 'fc' top: 'a' top: 'b' "
                "slice_param { slice_point: 3 } }"
                "layer { name: 'rest' type: 'Silence' bottom: 'b' }"
                "layer { name: 'flat' type: 'Reshape' bottom: 'label' top: 'flat' "
                "reshape_param { shape { dim: 0 dim: 1 } } }"
                "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'a' bottom: 'flat' }");
  const ToolResult result =
      RunTool({"time", "--model=" + file.string(), "--iterations=1", "--dummy-data=500x1x2x2"}, {});
  EXPECT_EQ(result.status, 0) << result.err;
}

// A net for use has no data sets, and one for measuring makes its data itself.
TEST_F(DummyDataToolTest, GivesTheInputOfANetThisShape) {
  const std::string input =
      "layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 64 dim: 1 dim: 28 "
      "dim: 28 } } }";
  EXPECT_THAT(ShowSources(input, "2x1x20x30"), ContainsRegex("-> data +2x1x20x30"));
  EXPECT_THAT(log_, HasSubstr("layer 'in' (Input): images of 2x1x20x30; the net itself states "
                              "64x1x28x28\n"));
  EXPECT_THAT(ShowSources(input, "0x0x20x0"), ContainsRegex("-> data +64x1x20x28"));
  const std::string old =
      "layer { name: 'd' type: 'DummyData' top: 'data' top: 'label' "
      "dummy_data_param { num: 8 channels: 3 channels: 1 height: 9 height: 1 "
      "width: 9 width: 1 } }";
  EXPECT_THAT(ShowSources(old, "2x3x5x6"), ContainsRegex("-> data, label +2x3x5x6, 2x1x1x1"));
  // Those of the other phase stay, and so does what has no batch.
  const std::string more =
      "layer { name: 'd' type: 'DummyData' top: 'data' top: 'label' top: 'size' include { phase: "
      "TRAIN } dummy_data_param { shape { dim: 8 dim: 3 dim: 9 dim: 9 } shape { dim: 8 } shape { "
      "dim: 1 dim: 2 } } }"
      "layer { name: 't' type: 'Input' top: 'data' include { phase: TEST } input_param { shape { "
      "dim: 1 dim: 1 dim: 5 dim: 5 } } }";
  EXPECT_THAT(ShowSources(more, "2x3x5x6"), ContainsRegex("data, label, size +2x3x5x6, 2, 1x2"));
}

// Nobody may take the time of one shape for that of another.
TEST_F(DummyDataToolTest, RefusesInputsThatItCannotReshape) {
  const auto input = [](const std::string& name, const std::string& shape) {
    return "layer { name: '" + name + "' type: 'Input' top: '" + name + "' input_param { shape { " +
           shape + " } } }";
  };
  const std::string images = input("data", "dim: 64 dim: 1 dim: 28 dim: 28");
  ShowSources(images, "1x28x28x1");  // the channels last
  EXPECT_EQ(status_, 1);
  EXPECT_THAT(log_, HasSubstr("layer 'data' (Input): --dummy-data=1x28x28x1 (N x C x H x W) has 28 "
                              "channels, but the net's images, 64x1x28x28, have 1; use "
                              "--dummy-data=1x1x28x28"));
  ShowSources(images, "4x3x32x32");
  EXPECT_THAT(log_, HasSubstr("use --dummy-data=4x1x32x32"));
  ShowSources(images + input("b", "dim: 64 dim: 1 dim: 9 dim: 9"), "1x1x28x28");
  EXPECT_EQ(status_, 1);
  EXPECT_THAT(log_, HasSubstr("the net has inputs of 64x1x28x28 and of 64x1x9x9; leave it out"));
  ShowSources(input("data", "dim: 64 dim: 100"), "1x1x28x28");
  EXPECT_EQ(status_, 1);
  EXPECT_THAT(log_, HasSubstr("no layer of the net in phase TRAIN reads a data set or makes "));
}

// 10^12 values could not be had, but they need not be for looking.
TEST_F(DummyDataToolTest, ShowTakesNoMemory) {
  EXPECT_THAT(Show("type: 'Data' data_param { source: 'none' }", "1000000x100x100x100"),
              HasSubstr("1000000x100x100x100"));
}

// The shapes are those that BVLC Caffe gives with the same sizes of data.
TEST(DummyDataTest, PublishedNetsHaveCaffesShapes) {
  const std::filesystem::path nets = SharedFolder() / "data/zoo/nets";
  if (!std::filesystem::exists(nets)) GTEST_SKIP() << nets << " is not here; set CREMA_SHARED_DIR";
  const struct {
    const char *file, *data, *blob, *shape;
  } cases[] = {
      {"BVLC+caffe/models/bvlc_googlenet/train_val", "0x3x0x0", "loss3/classifier", "32x1000"},
      {"BVLC+caffe/models/finetune_flickr_style/train_val", "0x3x0x0", "fc8_flickr", "50x20"},
      {"BVLC+caffe/examples/cifar10/cifar10_full_sigmoid_train_test_bn", "0x3x224x224", "pool3",
       "100x64x28x28"},
      {"BVLC+caffe/examples/siamese/mnist_siamese_train_test", "0x2x28x28", "pool2_p", "64x50x4x4"},
      {"BVLC+caffe/examples/mnist/mnist_autoencoder", "0x1x28x28", "encode4", "100x30"},
      {"BVLC+caffe@v0.9/models/imagenet", "0x3x0x0", "pool5", "10x256x6x6"},
      {"everpeace+caffe/examples/cifar10/cifar10_quick_train_test", "0x3x224x224", "pool3",
       "100x64x28x28"},
      {"forresti+SqueezeNet/SqueezeNet_v1.1/train_val", "0x3x0x0", "pool10", "32x1000x1x1"},
      {"KaimingHe+deep-residual-networks/prototxt/ResNet-50-deploy", "0x3x0x0", "pool5",
       "1x2048x1x1"},
      {"shelhamer+fcn.berkeleyvision.org/voc-fcn8s/deploy", "0x3x0x0", "score", "1x21x500x500"},
      {"shicai+MobileNet-Caffe/mobilenet_v2_deploy", "0x3x0x0", "conv6_4/bn", "1x1280x7x7"}};
  for (const auto& c : cases) {
    const ToolResult result =
        RunTool({"show", "--model=" + (nets / c.file).string() + ".prototxt",
                 std::string("--dummy-data=") + c.data, "--verbose", "--minloglevel=2"},
                {});
    EXPECT_EQ(result.status, 0) << c.file << ": " << result.err;
    EXPECT_THAT(result.out, ContainsRegex(std::string("-> ") + c.blob + " +" + c.shape)) << c.file;
  }
}

TEST_F(DummyDataToolTest, RefusesWhatIsNoShape) {
  const std::string model = SourceFolder() / "models/lenet/train_val.prototxt";
  for (const char* shape : {"4x3x20", "4x3x20x-1", "4x3x20x30x1", "big", "4,3,20,30"}) {
    const ToolResult result =
        RunTool({"show", "--model=" + model, std::string("--dummy-data=") + shape}, {});
    EXPECT_EQ(result.status, 1) << shape;
    EXPECT_THAT(result.err, HasSubstr("N x C x H x W"));
  }
}

}  // namespace
}  // namespace crema
