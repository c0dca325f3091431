// The nets of models/ learn with the default engines, layouts and fusion as they do with our own
// code and none of those.
//
// In single precision a sum in another order moves a value by some 1e-6, so that in a deep net a
// few of a million ReLUs and maxima decide the other way, and each decision moves a gradient by
// more. So a net is looked at twice. Its smooth twin, with ELU and averages where it has ReLU and
// maxima, decides nothing and is held to 1e-4. The net itself is held against our own code in
// double, and may be farther from it by three times what rounding does: our own code in single, and
// in double with weights that were moved in their twentieth bit.
//
// CREMA_PARITY=1 runs all nets, which takes half an hour; else the smallest.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <tuple>

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

// No kinks: what a net learns follows rounding as a straight line does.
void Smooth(proto::NetParameter* net) {
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.type() == "ReLU") layer.set_type("ELU");
    if (layer.type() == "Pooling") {
      layer.mutable_pooling_param()->set_pool(proto::PoolingParameter::AVE);
    }
  }
}

proto::SolverParameter Solver(const std::string& model, bool smooth) {
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
  if (smooth) Smooth(net);
  return solver;
}

std::unique_ptr<Trainer> Make(const proto::SolverParameter& solver, bool plain, DType dtype) {
  TrainOptions options;
  options.dtype = dtype;
  options.fuse = !plain;
  options.engine = plain ? "CAFFE" : "DEFAULT";
  return std::make_unique<Trainer>(solver, options);
}

struct Learned {
  double first_loss, last_loss;
  std::vector<std::vector<double>> gradients;  // of the first iteration, by parameter
};

Learned Learn(Trainer* trainer) {
  const auto loss = [&] { return trainer->net().loss().ToHost<double>()[0]; };
  Learned learned;
  trainer->Step(1);
  learned.first_loss = loss();
  for (size_t i = 0; i < trainer->net().graph().params.size(); ++i) {
    const Blob& param = trainer->net().param(i);
    if (param.has_diff()) learned.gradients.push_back(param.diff_tensor().ToHost<double>());
  }
  trainer->Step(19);
  learned.last_loss = loss();
  return learned;
}

double Length(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

// How far the gradients of the parameters are from the exact ones, each over its length, in the
// quadratic mean. A gradient that is all rounding, as a bias's before a BatchNorm, counts by the
// longest one.
double GradientError(const Learned& learned, const Learned& exact) {
  std::vector<double> errors, lengths;
  for (size_t i = 0; i < exact.gradients.size(); ++i) {
    std::vector<double> difference = learned.gradients.at(i);
    for (size_t k = 0; k < difference.size(); ++k) difference[k] -= exact.gradients[i].at(k);
    errors.push_back(Length(difference));
    lengths.push_back(Length(exact.gradients[i]));
  }
  const double longest = *std::max_element(lengths.begin(), lengths.end());
  double sum = 0;
  for (size_t i = 0; i < errors.size(); ++i) {
    const double relative = errors[i] / std::max(lengths[i], 1e-3 * longest);
    sum += relative * relative / static_cast<double>(errors.size());
  }
  return std::sqrt(sum);
}

double LossError(const Learned& learned, const Learned& exact) {
  return std::fabs(learned.last_loss / exact.last_loss - 1);
}

// Each weight by one part in 2^20, up or down.
void Nudge(std::vector<double>* weights) {
  std::mt19937 random(5);
  for (double& weight : *weights) weight *= 1 + ((random() & 1) != 0 ? 1 : -1) * std::ldexp(1, -20);
}

class ModelsParityTest : public testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  void SetUp() override {
    CREMA_NEEDS_ENGINE("ONEDNN");
    if (!Cases().at(model()).is_small && std::getenv("CREMA_PARITY") == nullptr) {
      GTEST_SKIP() << "large nets run where CREMA_PARITY is set";
    }
  }
  const std::string& model() const { return std::get<0>(GetParam()); }
  bool smooth() const { return std::get<1>(GetParam()); }
};

std::string CaseName(const testing::TestParamInfo<std::tuple<std::string, bool>>& info) {
  std::string name = std::get<0>(info.param) + (std::get<1>(info.param) ? "_smooth" : "");
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, ModelsParityTest,
                         testing::Combine(testing::ValuesIn(Names()), testing::Bool()), CaseName);

TEST_P(ModelsParityTest, LearnsAsOurOwnCodeDoes) {
  std::vector<double> weights;
  const auto learn = [&](bool plain, DType dtype) {
    const auto trainer = Make(Solver(model(), smooth()), plain, dtype);
    if (weights.empty()) weights = trainer->net().flat_params().ToHost<double>();
    trainer->net().flat_params().FromHost(weights);
    return Learn(trainer.get());
  };
  const Learned own = learn(true, DType::kFloat32);
  const Learned fast = learn(false, DType::kFloat32);
  const Learned exact = learn(true, DType::kFloat64);
  double gradient_error = 0, loss_error = 0;
  if (!smooth()) {
    Nudge(&weights);
    const Learned nudged = learn(true, DType::kFloat64);
    gradient_error = std::max(GradientError(own, exact), GradientError(nudged, exact));
    loss_error = std::max(LossError(own, exact), LossError(nudged, exact));
  }
  std::cout << model() << (smooth() ? ", smooth" : "") << ": gradients "
            << GradientError(fast, exact) << ", loss " << LossError(fast, exact) << ", by rounding "
            << gradient_error << ", " << loss_error << std::endl;
  EXPECT_NEAR(fast.first_loss, exact.first_loss, 1e-4 * exact.first_loss);
  EXPECT_LE(GradientError(fast, exact), 1e-4 + 3 * gradient_error);
  // Twenty steps along gradients that rounding moves by so much may end as far from each other.
  EXPECT_LE(LossError(fast, exact), 1e-4 + 3 * std::max(loss_error, gradient_error));
}

}  // namespace
}  // namespace crema::test
