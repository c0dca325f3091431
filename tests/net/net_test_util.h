// What the tests of src/net share: nets from text, and a check of a whole net's gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "crema.pb.h"
#include "crema/net.h"
#include "schema/upgrade.h"
#include "util/layer_runner.h"

namespace crema::test {

// The net in `text`, for the given phase.
inline proto::NetParameter ParseNet(const std::string& text, proto::Phase phase = proto::TRAIN) {
  proto::NetParameter net;
  ReadNetText(text, "test net", &net);
  net.mutable_state()->set_phase(phase);
  return net;
}

struct MakeNetOptions {
  DeviceKind device = DeviceKind::kCpu;
  DType dtype = DType::kFloat64;
  uint64_t seed = 1;
  proto::Phase phase = proto::TRAIN;
  bool keep_blobs = true;  // for tests that look at them
};

inline std::unique_ptr<Net> MakeNet(const std::string& text, const MakeNetOptions& options = {}) {
  NetOptions net_options;
  net_options.dtype = options.dtype;
  net_options.seed = options.seed;
  net_options.keep_blobs = options.keep_blobs;
  return std::make_unique<Net>(ParseNet(text, options.phase), OpenTestDevice(options.device),
                               net_options);
}

// A layer of the text form, as in Layer("ip", "InnerProduct", {"x"}, {"y"}, "loss_weight: 1").
inline std::string Layer(const std::string& name, const std::string& type,
                         const std::vector<std::string>& bottoms,
                         const std::vector<std::string>& tops, const std::string& more = "") {
  std::string text = "layer { name: '" + name + "' type: '" + type + "'";
  for (const std::string& bottom : bottoms) text += " bottom: '" + bottom + "'";
  for (const std::string& top : tops) text += " top: '" + top + "'";
  return text + " " + more + " }\n";
}

// An Input layer named as its top.
inline std::string Input(const std::string& top, const std::vector<int>& dims) {
  std::string shape;
  for (int dim : dims) shape += " dim: " + std::to_string(dim);
  return Layer(top, "Input", {}, {top}, "input_param { shape {" + shape + " } }");
}

// An InnerProduct layer with random weights and biases.
inline std::string Product(const std::string& name, const std::string& bottom,
                           const std::string& top, int outputs, const std::string& more = "") {
  return Layer(name, "InnerProduct", {bottom}, {top},
               "inner_product_param { num_output: " + std::to_string(outputs) +
                   " weight_filler { type: 'gaussian' std: 0.7 }"
                   " bias_filler { type: 'gaussian' std: 0.3 } } " +
                   more);
}

inline void SetBlob(Net& net, const std::string& name, const std::vector<double>& values) {
  ASSERT_NE(net.FindBlob(name), nullptr) << name;
  net.FindBlob(name)->data_tensor().FromHost(values);
}

inline std::vector<double> ReadBlob(const Net& net, const std::string& name) {
  return net.FindBlob(name)->data_tensor().ToHost<double>();
}

inline std::vector<double> ReadDiff(const Net& net, const std::string& name) {
  return net.FindBlob(name)->diff_tensor().ToHost<double>();
}

inline const LayerNode& FindNode(const Net& net, const std::string& name) {
  for (const LayerNode& node : net.graph().layers) {
    if (node.layer->name() == name) return node;
  }
  Fail("the test names the layer '", name, "', which the net does not have");
}

// The index-th parameter of a layer, as an index for Net::param.
inline int ParamIndex(const Net& net, const std::string& layer, int index) {
  return FindNode(net, layer).params.at(index);
}

inline std::vector<double> ReadParam(const Net& net, const std::string& layer, int index) {
  return net.param(ParamIndex(net, layer, index)).data_tensor().ToHost<double>();
}

inline void SetParam(Net& net, const std::string& layer, int index,
                     const std::vector<double>& values) {
  net.param(ParamIndex(net, layer, index)).data_tensor().FromHost(values);
}

inline std::vector<double> ReadParamDiff(const Net& net, const std::string& layer, int index) {
  return net.param(ParamIndex(net, layer, index)).diff_tensor().ToHost<double>();
}

inline double LossOf(Net& net, uint64_t step = 0) {
  net.Forward(step);
  return net.loss().ToHost<double>()[0];
}

inline void ForwardBackward(Net& net, uint64_t step = 0) {
  net.ClearGradients();
  net.Forward(step);
  net.Backward();
}

// Compares `analytic` with central differences of the net's loss in the values of `tensor`.
inline void CheckAgainstLoss(Net& net, const Tensor& tensor, const std::vector<double>& analytic,
                             const std::string& what) {
  constexpr double kStep = 1e-5;
  std::vector<double> values = tensor.ToHost<double>();
  ASSERT_EQ(values.size(), analytic.size()) << what;
  for (size_t i = 0; i < values.size(); ++i) {
    const double middle = values[i];
    values[i] = middle + kStep;
    tensor.FromHost(values);
    const double above = LossOf(net);
    values[i] = middle - kStep;
    tensor.FromHost(values);
    const double below = LossOf(net);
    values[i] = middle;
    tensor.FromHost(values);
    const double numeric = (above - below) / (2 * kStep);
    const double scale = std::max({1.0, std::fabs(numeric), std::fabs(analytic[i])});
    ASSERT_NEAR(analytic[i], numeric, 1e-7 * scale) << what << ", element " << i;
  }
}

// Every parameter that wants a gradient must have that of the net's loss. The net is of float64.
inline void CheckParamGradients(Net& net) {
  ForwardBackward(net);
  std::vector<std::vector<double>> gradients;
  for (size_t i = 0; i < net.graph().params.size(); ++i) {
    const bool wanted = net.graph().params[i].owner < 0 && net.graph().params[i].wants_gradient;
    gradients.push_back(wanted ? net.param(i).diff_tensor().ToHost<double>()
                               : std::vector<double>());
  }
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].empty()) continue;
    CheckAgainstLoss(net, net.param(i).data_tensor(), gradients[i], net.param(i).name());
  }
}

}  // namespace crema::test
