// What the tests of src/predict share: nets in files, with their weights.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "crema/predictor.h"
#include "net/net_test_util.h"
#include "schema/hdf5_weights.h"
#include "schema/schema_test_util.h"

namespace crema::test {

inline std::string ConvLayer(const std::string& name, const std::string& bottom, int outputs) {
  return Layer(name, "Convolution", {bottom}, {name},
               "convolution_param { num_output: " + std::to_string(outputs) +
                   " kernel_size: 3 pad: 1 weight_filler { type: 'gaussian' std: 0.4 }"
                   " bias_filler { type: 'gaussian' std: 0.3 } }");
}

// From `bottom` to NAME_pool.
inline std::string ConvBlock(const std::string& bottom, const std::string& name) {
  return ConvLayer(name, bottom, 8) + Layer(name + "_bn", "BatchNorm", {name}, {name}) +
         Layer(name + "_scale", "Scale", {name}, {name}, "scale_param { bias_term: true }") +
         Layer(name + "_relu", "ReLU", {name}, {name}) +
         Layer(name + "_pool", "Pooling", {name}, {name + "_pool"},
               "pooling_param { pool: MAX kernel_size: 2 stride: 2 }");
}

// Takes images of any size.
inline std::string FullyConvolutional(const std::string& input) {
  return input + ConvBlock("data", "c1") + ConvBlock("c1_pool", "c2") +
         ConvLayer("score", "c2_pool", 5) + Layer("prob", "Softmax", {"score"}, {"prob"});
}

// Takes images of one size.
inline std::string Classifier(const std::string& input) {
  return input + ConvBlock("data", "c1") + Product("fc", "c1_pool", "fc", 7) +
         Layer("prob", "Softmax", {"fc"}, {"prob"});
}

const std::string kImages = Input("data", {2, 3, 8, 8});

inline std::vector<float> RandomFloats(int64_t count, uint64_t seed) {
  const std::vector<double> values = RandomValues(count, seed);
  return {values.begin(), values.end()};
}

inline std::vector<float> ToVector(const OutputView& output) {
  return {output.begin(), output.end()};
}

// A folder of its own, for nets and weights.
class PredictTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    folder_ = TestFolder();
  }

  std::string At(const std::string& name) const { return (folder_ / name).string(); }

  std::string WriteNet(const std::string& text) const {
    return WriteTestFile(folder_ / "deploy.prototxt", text);
  }

  // Random weights, and statistics that look like those of training.
  std::string WriteWeights(const std::string& text) const {
    proto::NetParameter saved;
    Net(ParseNet(text, proto::TEST), OpenTestDevice(DeviceKind::kCpu)).ToProto(&saved, false);
    for (proto::LayerParameter& layer : *saved.mutable_layer()) {
      if (layer.type() != "BatchNorm") continue;
      const float values[] = {0.2F, 1.5F, 1};  // mean, variance, and what both are divided by
      for (int i = 0; i < 3; ++i) {
        for (float& value : *layer.mutable_blobs(i)->mutable_data()) value = values[i];
      }
    }
    return WriteTestFile(WeightsPath(), saved.SerializeAsString());
  }
  std::string WeightsPath() const { return At("net.caffemodel"); }

  PredictorOptions OnDevice() const {
    PredictorOptions options;
    if (device() != DeviceKind::kCpu) options.device = OpenTestDevice(device());
    return options;
  }

  Predictor MakePredictor(const std::string& text) const {
    return Predictor(WriteNet(text), WriteWeights(text), OnDevice());
  }

  // The net itself in phase TEST, as `crema test` runs it, with the weights that were written last.
  std::unique_ptr<Net> MakeTestNet(const std::string& text, NetOptions options = {}) const {
    options.backward = false;
    auto net =
        std::make_unique<Net>(ParseNet(text, proto::TEST), OpenTestDevice(device()), options);
    net->LoadWeights(WeightsPath());
    return net;
  }

  // What that net makes of these values.
  static std::vector<float> RunNet(Net& net, const std::vector<float>& values,
                                   const std::string& output = "prob") {
    net.FindBlob("data")->data_tensor().FromHost(values);
    net.Forward(0);
    return net.FindBlob(output)->data_tensor().ToHost<float>();
  }

  std::filesystem::path folder_;
};

}  // namespace crema::test
