// The nets of models/ learn with the default engines, layouts and fusion as they do with our own
// code and none of those. In single precision a sum in another order moves a value by some 1e-6, so
// that in a deep net a few of a million ReLUs and maxima decide the other way, and each decision
// moves a gradient by more. So both are held against our own code in double: the engines may be
// 1e-4 farther from it than three times what our own code in single is. CREMA_PARITY=1 runs all
// nets, which takes half an hour; else the smallest.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "../../tools/dummy_data.h"
#include "engines/engine_test_util.h"
#include "schema/upgrade.h"
#include "train/train_test_util.h"
#include "util/paths.h"

namespace crema::test {
namespace {

struct Case {
  std::vector<int64_t> shape = {4, 3, 224, 224};
  bool is_small = false;
};

const std::map<std::string, Case>& Cases() {
  static const std::map<std::string, Case> cases = {
      {"adding_lstm", {{4, 1, 1, 1}, true}},
      {"alexnet", {}},
      {"caffenet", {}},
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
      {"squeezenet_v1.1", {}},
      {"vgg16", {}},
  };
  return cases;
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, each] : Cases()) names.push_back(name);
  return names;
}

proto::SolverParameter Solver(const std::string& model) {
  proto::SolverParameter solver = ParseSolver(
      "base_lr: 0.001 momentum: 0.9 lr_policy: 'fixed' random_seed: 3 max_iter: 20 "
      "snapshot_prefix: '" +
      testing::TempDir() + "parity'");
  proto::NetParameter* net = solver.mutable_net_param();
  ReadNetFile(SourceFolder() / "models" / model / "train_val.prototxt", net);
  net->mutable_state()->set_phase(proto::TRAIN);
  const std::vector<int64_t>& shape = Cases().at(model).shape;
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.has_data_param()) layer.mutable_data_param()->set_batch_size(shape[0]);
    if (layer.has_hdf5_data_param()) layer.mutable_hdf5_data_param()->set_batch_size(shape[0]);
  }
  ReplaceDataLayers(shape, net);
  return solver;
}

std::unique_ptr<Trainer> Make(const std::string& model, bool plain, DType dtype) {
  TrainOptions options;
  options.dtype = dtype;
  options.fuse = !plain;
  options.engine = plain ? "CAFFE" : "DEFAULT";
  return std::make_unique<Trainer>(Solver(model), options);
}

double LossOf(Trainer* trainer) { return trainer->net().loss().ToHost<double>()[0]; }

double Length(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

// How far the gradients of the parameters are from the exact ones, each over its length, in the
// quadratic mean. A gradient that is all rounding, as a bias's before a BatchNorm, counts by the
// longest one.
double ErrorOf(const Net& net, const Net& exact) {
  std::vector<double> errors, lengths;
  for (size_t i = 0; i < exact.graph().params.size(); ++i) {
    if (!exact.param(i).has_diff()) continue;
    std::vector<double> difference = net.param(i).diff_tensor().ToHost<double>();
    const std::vector<double> expected = exact.param(i).diff_tensor().ToHost<double>();
    for (size_t k = 0; k < expected.size(); ++k) difference[k] -= expected[k];
    errors.push_back(Length(difference));
    lengths.push_back(Length(expected));
  }
  const double longest = *std::max_element(lengths.begin(), lengths.end());
  double sum = 0;
  for (size_t i = 0; i < errors.size(); ++i) {
    const double relative = errors[i] / std::max(lengths[i], 1e-3 * longest);
    sum += relative * relative / static_cast<double>(errors.size());
  }
  return std::sqrt(sum);
}

class ModelsParityTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, ModelsParityTest, testing::ValuesIn(Names()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (c == '.') c = '_';
  }
  return name;
});

TEST_P(ModelsParityTest, LearnsAsOurOwnCodeDoes) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  if (!Cases().at(GetParam()).is_small && std::getenv("CREMA_PARITY") == nullptr) {
    GTEST_SKIP() << "large nets run where CREMA_PARITY is set";
  }
  const auto fast = Make(GetParam(), false, DType::kFloat32);
  const auto own = Make(GetParam(), true, DType::kFloat32);
  const auto exact = Make(GetParam(), true, DType::kFloat64);
  const std::vector<double> weights = own->net().flat_params().ToHost<double>();
  exact->net().flat_params().FromHost(weights);
  for (Trainer* trainer : {fast.get(), own.get(), exact.get()}) trainer->Step(1);
  const double gradient_error = ErrorOf(own->net(), exact->net());
  EXPECT_LE(ErrorOf(fast->net(), exact->net()), 1e-4 + 3 * gradient_error);
  RecordProperty("gradients_of_own_code", std::to_string(gradient_error));
  RecordProperty("gradients", std::to_string(ErrorOf(fast->net(), exact->net())));

  for (Trainer* trainer : {fast.get(), own.get(), exact.get()}) trainer->Step(19);
  const double loss = LossOf(exact.get());
  const double loss_error = std::fabs(LossOf(own.get()) - loss);
  EXPECT_NEAR(LossOf(fast.get()), loss, 1e-4 * loss + 3 * loss_error);
}

}  // namespace
}  // namespace crema::test
