// Whole nets: an engine with its layouts trains as our own code does, and resumes bit for bit.
#include <gtest/gtest.h>

#include <cmath>

#include "engines/engine_test_util.h"
#include "train/train_test_util.h"

namespace crema::test {
namespace {

std::string Layer(const std::string& name, const std::string& type, const std::string& bottom,
                  const std::string& more = "") {
  const std::string top = type == "ReLU" || type == "Dropout" ? bottom : name;
  return "layer { name: '" + name + "' type: '" + type + "' bottom: '" + bottom + "' top: '" + top +
         "' " + more + " } ";
}

std::string Convolution(const std::string& name, const std::string& bottom,
                        const std::string& options) {
  return Layer(name, "Convolution", bottom,
               "convolution_param { weight_filler { type: 'xavier' } " + options + " }");
}

// One of every kind of layer that works in channels-last, and some that do not.
std::string Net() {
  return "layer { name: 'data' type: 'DummyData' top: 'data' top: 'label' dummy_data_param { "
         "shape { dim: 4 dim: 3 dim: 17 dim: 17 } shape { dim: 4 } "
         "data_filler { type: 'gaussian' } data_filler { value: 2 } } } " +
         Convolution("c1", "data", "num_output: 16 kernel_size: 3 pad: 1") +
         Layer("r1", "ReLU", "c1") +
         Layer("p1", "Pooling", "c1", "pooling_param { kernel_size: 3 stride: 2 }") +
         Layer("n1", "LRN", "p1", "lrn_param { alpha: 0.1 }") +
         Convolution("c2", "n1", "num_output: 16 kernel_size: 3 pad: 1 group: 2 bias_term: false") +
         Layer("bn", "BatchNorm", "c2") +
         Layer("s", "Scale", "bn", "scale_param { bias_term: true }") +
         Convolution("dw", "s", "num_output: 16 group: 16 kernel_size: 3 pad: 1") +
         Layer("sum", "Eltwise", "dw", "bottom: 'n1'") + Layer("r2", "ReLU", "sum") +
         Convolution("c3", "sum", "num_output: 8 kernel_size: 1") +
         Layer("up", "Deconvolution", "c3",
               "convolution_param { num_output: 8 kernel_size: 3 pad: 1 "
               "weight_filler { type: 'xavier' } }") +
         Layer("join", "Concat", "up", "bottom: 'sum'") + Layer("drop", "Dropout", "join") +
         Layer("w", "LRN", "join",
               "lrn_param { local_size: 3 alpha: 0.1 norm_region: WITHIN_CHANNEL }") +
         Layer("p2", "Pooling", "w", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }") +
         Layer("ip", "InnerProduct", "p2",
               "inner_product_param { num_output: 5 weight_filler { type: 'xavier' } }") +
         Layer("loss", "SoftmaxWithLoss", "ip", "bottom: 'label'");
}

proto::SolverParameter Solver(const std::string& engine, const std::string& more = "") {
  return ParseSolver("net_param { engine: '" + engine + "' " + Net() + " } " +
                     "base_lr: 0.001 momentum: 0.5 lr_policy: 'fixed' random_seed: 3 "
                     "max_iter: 20 iter_size: 2 snapshot_prefix: '" +
                     ::testing::TempDir() + "engine_" + engine + "' " + more);
}

double LossOf(const Trainer& trainer) {
  return const_cast<Trainer&>(trainer).net().loss().ToHost<double>()[0];
}

TEST(EngineParityTest, TrainsAsOurOwnCodeDoes) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto own = MakeTrainer(Solver("CAFFE")), fast = MakeTrainer(Solver("ONEDNN"));
  own->Step(1);
  fast->Step(1);
  EXPECT_NEAR(LossOf(*fast), LossOf(*own), 1e-5 * LossOf(*own));
  ExpectClose(fast->net().flat_gradients().ToHost<double>(),
              own->net().flat_gradients().ToHost<double>(), 1e-4, "gradients");
  own->Step(19);
  fast->Step(19);
  EXPECT_GT(LossOf(*own), 0.01);
  EXPECT_NEAR(LossOf(*fast), LossOf(*own), 1e-4 * LossOf(*own));
}

// Our own layers that take either layout.
class LayoutTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(LayoutTest);

TEST_P(LayoutTest, DoesNotChangeTheResults) {
  RunnerOptions options;
  options.device = device();
  options.layout = Layout::kChannelsLast;
  const std::vector<std::string> layers = {
      "type: 'LRN' lrn_param { local_size: 5 alpha: 0.3 }",
      "type: 'LRN' lrn_param { local_size: 3 alpha: 0.3 norm_region: WITHIN_CHANNEL }",
      "type: 'LRN' lrn_param { local_size: 5 alpha: 0.3 norm_region: WITHIN_CHANNEL }",
      "type: 'Dropout'",
  };
  const std::vector<Shape> shapes = {{2, 7, 5, 6}, {1, 16, 3, 3}, {2, 3, 1, 2}, {3, 1, 4, 1}};
  for (const std::string& layer : layers) {
    for (const Shape& shape : shapes) {
      SCOPED_TRACE(layer + " " + shape.ToString());
      ExpectSameAsCaffe(layer, {shape}, options);
    }
  }
}

TEST(EngineParityTest, ResumesBitForBit) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto whole = MakeTrainer(Solver("ONEDNN")), half = MakeTrainer(Solver("ONEDNN"));
  whole->Step(6);
  half->Step(3);
  half->Snapshot();
  const auto rest =
      MakeTrainer(Solver("ONEDNN"), ::testing::TempDir() + "engine_ONEDNN_iter_3.solverstate");
  rest->Step(3);
  EXPECT_EQ(WeightsOf(*rest), WeightsOf(*whole));
}

}  // namespace
}  // namespace crema::test
