#include "engines/models_util.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "../../tools/dummy_data.h"
#include "engines/engine_test_util.h"
#include "schema/upgrade.h"
#include "train/train_test_util.h"
#include "util/paths.h"

namespace crema::test {

const std::map<std::string, ModelCase>& ModelCases() {
  static const std::map<std::string, ModelCase> cases = {
      {"adding_lstm", {{4, 1, 1, 1}, true}},
      {"alexnet", {{4, 3, 227, 227}}},
      {"caffenet", {{4, 3, 227, 227}}},
      {"cifar10_full", {{4, 3, 32, 32}, true}},
      {"cifar10_quick", {{4, 3, 32, 32}, true}},
      {"densenet121", {}},
      {"googlenet", {}},
      {"lenet", {{4, 1, 28, 28}, true}},
      {"mnist_autoencoder", {{4, 1, 28, 28}, true}},
      {"mnist_siamese", {{4, 2, 28, 28}, true}},
      {"mobilenet_v1", {}},
      {"mobilenet_v2", {}},
      {"resnet18", {}},
      {"resnet50", {}},
      {"squeezenet_v1.1", {{4, 3, 227, 227}}},
      {"vgg16", {}},
  };
  return cases;
}

std::vector<std::string> ModelNames() {
  std::vector<std::string> names;
  for (const auto& [name, each] : ModelCases()) names.push_back(name);
  return names;
}

std::string TestName(std::string model) {
  std::replace(model.begin(), model.end(), '.', '_');
  return model;
}

std::string WhyNotRun(const std::string& model) {
  if (!HasEngine("ONEDNN")) return "this build has no ONEDNN";
  if (ModelCases().at(model).is_small || std::getenv("CREMA_PARITY") != nullptr) return "";
  return "large nets run where CREMA_PARITY is set";
}

proto::SolverParameter ModelSolver(const std::string& model) {
  proto::SolverParameter solver = ParseSolver(
      "base_lr: 0.001 momentum: 0.9 lr_policy: 'fixed' random_seed: 3 max_iter: 20 "
      "snapshot_prefix: '" +
      testing::TempDir() + "parity'");
  proto::NetParameter* net = solver.mutable_net_param();
  ReadNetFile(SourceFolder() / "models" / model / "train_val.prototxt", net);
  net->mutable_state()->set_phase(proto::TRAIN);
  const std::vector<int64_t>& shape = ModelCases().at(model).shape;
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.has_data_param()) layer.mutable_data_param()->set_batch_size(shape[0]);
    if (layer.has_hdf5_data_param()) layer.mutable_hdf5_data_param()->set_batch_size(shape[0]);
  }
  ReplaceDataLayers(shape, net);
  return solver;
}

std::vector<std::vector<double>> GradientsOf(const Net& net) {
  std::vector<std::vector<double>> gradients;
  for (size_t i = 0; i < net.graph().params.size(); ++i) {
    const Blob& param = net.param(static_cast<int>(i));
    if (param.has_diff()) gradients.push_back(param.diff_tensor().ToHost<double>());
  }
  return gradients;
}

double Length(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

std::vector<double> GradientErrors(const std::vector<std::vector<double>>& gradients,
                                   const std::vector<std::vector<double>>& exact) {
  std::vector<double> errors, lengths;
  for (size_t i = 0; i < exact.size(); ++i) {
    std::vector<double> difference = gradients.at(i);
    for (size_t k = 0; k < difference.size(); ++k) difference[k] -= exact[i].at(k);
    errors.push_back(Length(difference));
    lengths.push_back(Length(exact[i]));
  }
  const double longest = *std::max_element(lengths.begin(), lengths.end());
  for (size_t i = 0; i < errors.size(); ++i) errors[i] /= std::max(lengths[i], 1e-3 * longest);
  return errors;
}

double QuadraticMean(const std::vector<double>& values) {
  return Length(values) / std::sqrt(static_cast<double>(values.size()));
}

}  // namespace crema::test
