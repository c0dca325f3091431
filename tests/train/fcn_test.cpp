// Fully convolutional nets, which cut blobs to the size of other blobs that learn, against the
// numbers of BVLC Caffe (CPU) for the same files.
#include <algorithm>
#include <fstream>

#include "schema/binary_io.h"
#include "schema/hdf5_io.h"
#include "schema/weights_io.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

// Numbers from 0 up to 1 that are the same everywhere (Park, Miller: "Random number generators:
// good ones are hard to find", 1988).
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : last_(seed) {}
  float Next() {
    last_ = last_ * 16807 % 2147483647;
    return static_cast<float>(last_ % 4096) / 4096;
  }

 private:
  uint64_t last_;
};

std::string Convolution(const std::string& name, const std::string& bottom,
                        const std::string& more) {
  return "layer { name: '" + name + "' type: 'Convolution' bottom: '" + bottom + "' top: '" + name +
         "' convolution_param { " + more + " } } ";
}

// As FCN-16s: two poolings, scores of both, the finer ones cut to the size of the coarser ones
// that have been made larger, and the sum cut to that of the images. A branch whose weights are
// only the reference of a Crop is there, too.
std::string FcnNet(const std::string& list) {
  return "name: 'fcn' "
         "layer { name: 'data' type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param { "
         "source: '" +
         list + "' batch_size: 2 } } " +
         Convolution("conv1", "data", "num_output: 4 kernel_size: 3 pad: 5") +
         "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' } "
         "layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1' "
         "pooling_param { kernel_size: 2 stride: 2 } } " +
         Convolution("conv2", "pool1", "num_output: 6 kernel_size: 3 pad: 1") +
         "layer { name: 'relu2' type: 'ReLU' bottom: 'conv2' top: 'conv2' } "
         "layer { name: 'pool2' type: 'Pooling' bottom: 'conv2' top: 'pool2' "
         "pooling_param { kernel_size: 2 stride: 2 } } " +
         Convolution("fc", "pool2", "num_output: 8 kernel_size: 3") +
         Convolution("score_fc", "fc", "num_output: 3 kernel_size: 1") +
         "layer { name: 'upscore2' type: 'Deconvolution' bottom: 'score_fc' top: 'upscore2' "
         "convolution_param { num_output: 3 kernel_size: 4 stride: 2 bias_term: false } } " +
         Convolution("score_pool1", "pool1", "num_output: 3 kernel_size: 1") +
         "layer { name: 'score_pool1c' type: 'Crop' bottom: 'score_pool1' bottom: 'upscore2' "
         "top: 'score_pool1c' crop_param { axis: 2 offset: 1 } } "
         "layer { name: 'fuse' type: 'Eltwise' bottom: 'upscore2' bottom: 'score_pool1c' "
         "top: 'fuse' } "
         "layer { name: 'upscore' type: 'Deconvolution' bottom: 'fuse' top: 'upscore' "
         "convolution_param { num_output: 3 kernel_size: 4 stride: 2 bias_term: false } } " +
         Convolution("size", "data", "num_output: 1 kernel_size: 1") +
         "layer { name: 'score' type: 'Crop' bottom: 'upscore' bottom: 'size' top: 'score' "
         "crop_param { axis: 2 offset: 3 } } "
         "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'score' bottom: 'label' "
         "top: 'loss' loss_param { ignore_label: 255 } } ";
}

class FcnTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    WriteData();
    std::ofstream(At("net.prototxt")) << FcnNet(At("list.txt"));
  }
  std::string At(const std::string& name) const { return (folder_ / name).string(); }

  // Four images of 16 x 16 and the classes of their pixels, some of which do not count.
  void WriteData() const {
    constexpr int kImages = 4, kPixels = 16 * 16;
    Numbers numbers(1);
    std::vector<float> data, label;
    for (int i = 0; i < kImages * 3 * kPixels; ++i) data.push_back(numbers.Next() - 0.5f);
    for (int i = 0; i < kImages * kPixels; ++i) {
      const auto drawn = static_cast<int>(numbers.Next() * 10);
      const int left = i % 16 < 8 ? 0 : 1;
      label.push_back(drawn == 0 ? 255.f : static_cast<float>(drawn < 4 ? 2 : left));
    }
    Hdf5File file = Hdf5File::CreateInMemory("data.h5");
    file.Write("data", {kImages, 3, 16, 16}, data.data());
    file.Write("label", {kImages, 1, 16, 16}, label.data());
    WriteTestFile(folder_ / "data.h5", file.Bytes());
    std::ofstream(At("list.txt")) << At("data.h5") << "\n";
  }

  proto::SolverParameter Solver() const {
    const std::string text = "net: '" + At("net.prototxt") +
                             "' base_lr: 0.05 lr_policy: 'fixed' momentum: 0.9 weight_decay: 0.01 "
                             "display: 1 max_iter: 12 snapshot_prefix: '" +
                             At("fcn") + "' ";
    std::ofstream(At("solver.prototxt")) << text;
    return ParseSolver(text);
  }

  // Gives all weights values that do not depend on our random numbers, and keeps them in a file.
  void SetWeights(Trainer* trainer) const {
    Numbers numbers(2);
    for (size_t p = 0; p < trainer->net().graph().params.size(); ++p) {
      std::vector<float> values(static_cast<size_t>(trainer->net().param(p).count()));
      for (float& value : values) value = 0.6f * (numbers.Next() - 0.5f);
      trainer->net().param(p).data_tensor().FromHost(values);
    }
    proto::NetParameter weights;
    trainer->net().ToProto(&weights, false);
    WriteTestFile(folder_ / "init.caffemodel", weights.SerializeAsString());
  }

  static double SumOfSquares(const Trainer& trainer, const std::string& layer) {
    Net& net = const_cast<Trainer&>(trainer).net();
    double sum = 0;
    for (size_t p = 0; p < net.graph().params.size(); ++p) {
      if (net.graph().layers[net.graph().params[p].layer].layer->name() != layer) continue;
      for (double value : net.param(p).data_tensor().ToHost<double>()) sum += value * value;
    }
    return sum;
  }

  std::filesystem::path folder_;
};

// What Caffe logs, to its six digits, and the sums of the squares of each layer's weights at the
// end. Those of "size" only decay.
TEST_F(FcnTest, TrainsWithCaffesNumbers) {
  const auto trainer = MakeTrainer(Solver());
  SetWeights(trainer.get());
  EXPECT_NEAR(SumOfSquares(*trainer, "size"), 0.22338832, 1e-6);
  LogCapture log;
  ASSERT_TRUE(trainer->Train());
  const std::vector<double> losses = {1.10009, 1.10313, 1.09985, 1.10265, 1.0994,  1.1019, 1.09883,
                                      1.10102, 1.09823, 1.1001,  1.09766, 1.09921, 1.09715};
  for (size_t i = 0; i < losses.size(); ++i) {
    const std::vector<std::string> lines = log.With("Iteration " + std::to_string(i));
    const auto has_loss = [](const std::string& line) { return Contains(line, "loss = "); };
    const auto line = std::find_if(lines.begin(), lines.end(), has_loss);
    ASSERT_NE(line, lines.end()) << i;
    EXPECT_NEAR(std::stod(line->substr(line->find("loss = ") + 7)), losses[i], 2e-5) << i;
  }
  const std::pair<const char*, double> squares[] = {
      {"conv1", 2.9307759},     {"conv2", 6.5713795},    {"fc", 11.658744},
      {"score_fc", 0.63197055}, {"upscore2", 3.8280876}, {"score_pool1", 0.50622329},
      {"upscore", 3.8278414},   {"size", 0.21125348}};
  for (const auto& [layer, expected] : squares) {
    EXPECT_NEAR(SumOfSquares(*trainer, layer), expected, 2e-6 * expected) << layer;
  }
}

}  // namespace
}  // namespace crema
