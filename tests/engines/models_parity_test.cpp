// The nets of models/ learn with the default engines, layouts and fusion as they do with our own
// code and none of those. CREMA_PARITY=1 runs all nets, which takes half an hour; else the
// smallest.
#include <gtest/gtest.h>

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
  const std::vector<int64_t>& shape = Cases().at(model).shape;
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.has_data_param()) layer.mutable_data_param()->set_batch_size(shape[0]);
    if (layer.has_hdf5_data_param()) layer.mutable_hdf5_data_param()->set_batch_size(shape[0]);
  }
  ReplaceDataLayers(shape, net);
  return solver;
}

std::unique_ptr<Trainer> Make(const std::string& model, bool plain) {
  TrainOptions options;
  options.fuse = !plain;
  options.engine = plain ? "CAFFE" : "ONEDNN";
  return std::make_unique<Trainer>(Solver(model), options);
}

double LossOf(Trainer* trainer) { return trainer->net().loss().ToHost<double>()[0]; }

// The distance over the length, of each parameter.
void ExpectGradientsClose(const Net& fast, const Net& own) {
  for (size_t i = 0; i < own.graph().params.size(); ++i) {
    const Blob& expected = own.param(i);
    if (!expected.has_diff()) continue;
    const std::vector<double> a = fast.param(i).diff_tensor().ToHost<double>();
    const std::vector<double> b = expected.diff_tensor().ToHost<double>();
    double apart = 0, length = 0;
    for (size_t k = 0; k < b.size(); ++k) {
      apart += (a[k] - b[k]) * (a[k] - b[k]);
      length += b[k] * b[k];
    }
    EXPECT_LE(std::sqrt(apart), 1e-4 * std::sqrt(length)) << expected.name();
  }
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
  const auto fast = Make(GetParam(), false), own = Make(GetParam(), true);
  fast->Step(1);
  own->Step(1);
  ExpectGradientsClose(fast->net(), own->net());
  fast->Step(19);
  own->Step(19);
  const double expected = LossOf(own.get());
  EXPECT_NEAR(LossOf(fast.get()), expected, 1e-4 * expected);
}

}  // namespace
}  // namespace crema::test
