// A step of the nets of models/, by the default engines, layouts, fusion and plan of memory, is
// that of our own code in double precision with none of these.
//
// Two nets that run side by side come apart where rounding decides a ReLU or a maximum (see
// models_parity_test.cpp). Here it cannot: after each layer our own code goes on with the values
// that the engines made, so that both decide by equal numbers. What is left is what the layers
// compute, forward and backward, and that is held to 1e-4 for the nets as they are, with their
// first weights and with those of nineteen steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "engines/models_util.h"
#include "train/train_test_util.h"

namespace crema::test {
namespace {

using Values = std::map<std::string, std::vector<double>>;

constexpr uint64_t kStep = 7;  // both drop the same units

std::unique_ptr<Net> Make(proto::NetParameter config, bool plain) {
  NetOptions options;
  if (plain) {
    config.set_engine("CAFFE");
    options.dtype = DType::kFloat64;
    options.fuse = false;
    options.keep_blobs = true;
  }
  return std::make_unique<Net>(config, OpenDevice(DeviceKind::kCpu), options);
}

// What the layers make, read before its memory is another's; of layers in place, the last counts.
Values Forward(Net* net) {
  Values values;
  const Graph& graph = net->graph();
  net->BeginPass(kStep);
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    net->ForwardLayer(static_cast<int>(l));
    if (graph.layers[l].absorbed_by >= 0) continue;
    for (int top : graph.layers[l].tops) {
      values[graph.blobs[top].name] = net->blob(top).data_tensor().ToHost<double>();
    }
  }
  return values;
}

bool IsWrittenAfter(const Graph& graph, size_t layer, int blob) {
  for (size_t l = layer + 1; l < graph.layers.size(); ++l) {
    const std::vector<int>& tops = graph.layers[l].tops;
    if (std::find(tops.begin(), tops.end(), blob) != tops.end()) return true;
  }
  return false;
}

double Distance(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference = a;
  for (size_t i = 0; i < a.size(); ++i) difference[i] -= b.at(i);
  const double length = Length(b);
  return length == 0 ? Length(difference) : Length(difference) / length;
}

enum class Takes { kData, kAll };

// The same net, which takes from `values` the data, or what every layer makes. Returns how far the
// farthest blob was from what it took, over its length.
double ForwardWith(const Values& values, Takes takes, Net* net) {
  const Graph& graph = net->graph();
  double worst = 0;
  net->BeginPass(kStep);
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    net->ForwardLayer(static_cast<int>(l));
    const bool is_data = graph.layers[l].bottoms.empty();
    if (takes == Takes::kData && !is_data) continue;
    for (int top : graph.layers[l].tops) {
      const auto given = values.find(graph.blobs[top].name);
      // What fused layers would have handed over is not there.
      if (given == values.end() || IsWrittenAfter(graph, l, top)) continue;
      const Tensor& data = net->blob(top).data_tensor();
      const double distance = is_data ? 0 : Distance(given->second, data.ToHost<double>());
      if (!(distance <= worst)) worst = distance;  // also where it is no number
      data.FromHost(given->second);
    }
  }
  return worst;
}

double LossOf(const Net& net) { return net.loss().ToHost<double>()[0]; }

void ExpectSameStep(const std::vector<double>& weights, const std::string& when, Net* fast,
                    Net* exact) {
  for (Net* net : {fast, exact}) {
    net->flat_params().FromHost(weights);
    net->ClearGradients();
  }
  const Values values = Forward(fast);
  fast->Backward();
  ForwardWith(values, Takes::kData, exact);
  const double loss = std::fabs(LossOf(*fast) / LossOf(*exact) - 1);
  const double blobs = ForwardWith(values, Takes::kAll, exact);
  exact->Backward();
  const std::vector<double> errors = GradientErrors(GradientsOf(*fast), GradientsOf(*exact));
  const double gradients = QuadraticMean(errors);
  const double largest = *std::max_element(errors.begin(), errors.end());
  std::cout << fast->name() << ", " << when << ": loss " << loss << ", blobs " << blobs
            << ", gradients " << gradients << ", the farthest " << largest << std::endl;
  EXPECT_LE(loss, 1e-4) << when;
  EXPECT_LE(blobs, 1e-4) << when;
  EXPECT_LE(gradients, 1e-4) << when;
  // What comes before a BatchNorm may have a gradient that is 0 but for rounding: a sum of a
  // million numbers that cancel.
  EXPECT_LE(largest, 1e-3) << when;
}

class ModelsStepTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, ModelsStepTest, testing::ValuesIn(ModelNames()),
                         [](const auto& info) { return TestName(info.param); });

TEST_P(ModelsStepTest, IsThatOfOurOwnCode) {
  const std::string why = WhyNotRun(GetParam());
  if (!why.empty()) GTEST_SKIP() << why;
  const proto::SolverParameter solver = ModelSolver(GetParam());
  std::vector<double> first, later;
  {
    const auto trainer = MakeTrainer(solver);
    first = WeightsOf(*trainer);
    trainer->Step(19);
    later = WeightsOf(*trainer);
  }
  const auto fast = Make(solver.net_param(), false), exact = Make(solver.net_param(), true);
  ExpectSameStep(first, "the first step", fast.get(), exact.get());
  ExpectSameStep(later, "the twentieth step", fast.get(), exact.get());
}

}  // namespace
}  // namespace crema::test
