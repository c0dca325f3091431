// Runs one layer outside of a net, on any device.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema/dev/layer.h"

namespace crema::test {

// The devices on which layer tests run: the CPU, the fake GPU, and CUDA (skips where absent).
std::vector<DeviceKind> TestDevices();
std::shared_ptr<Device> OpenTestDevice(DeviceKind kind);

// Base of the layer tests: TEST_P(PoolingTest, ...) uses device().
class LayerTest : public ::testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override;  // skips where the device is not there
  DeviceKind device() const { return GetParam(); }
};

// Follows the tests of one layer: CREMA_ON_ALL_DEVICES(PoolingTest);
#define CREMA_ON_ALL_DEVICES(Suite)                                      \
  INSTANTIATE_TEST_SUITE_P(                                              \
      Devices, Suite, ::testing::ValuesIn(::crema::test::TestDevices()), \
      [](const auto& info) { return std::string(::crema::test::DeviceLabel(info.param)); })
const char* DeviceLabel(DeviceKind kind);  // "Cpu", "Fake", "Cuda"

struct RunnerOptions {
  DeviceKind device = DeviceKind::kCpu;
  DType dtype = DType::kFloat64;
  Phase phase = Phase::kTrain;
  uint64_t seed = 1;
  bool in_place = false;  // top 0 is bottom 0
  std::string engine = "CAFFE";
  Layout layout = Layout::kPlain;    // of bottoms and tops with three axes or more
  int tops = 1;                      // how many tops the layer text is given
  std::vector<bool> wants_gradient;  // of the params; all true by default
  bool runs_backward = true;         // false: Backward must not be called, and tops have no diff
};

// The layer is built from text such as "name: 'p' type: 'Pooling' pooling_param {...}" (name may
// be left out). Bottoms start with normal random numbers, params with their fillers' values, top
// gradients with normal random numbers. All values pass as double, in Caffe's order.
class LayerRunner {
 public:
  LayerRunner(const std::string& layer_text, const std::vector<Shape>& bottoms,
              const RunnerOptions& options = {});
  ~LayerRunner();

  // Replaces the bottom shapes (and values) and plans again; params are kept.
  void Reshape(const std::vector<Shape>& bottoms);

  Layer& layer() { return *layer_; }
  Context& context() { return *context_; }
  int bottoms() const { return static_cast<int>(bottom_.size()); }
  int tops() const { return static_cast<int>(top_.size()); }
  int params() const { return static_cast<int>(param_.size()); }
  const Shape& top_shape(int i = 0) const { return top_[i]->shape(); }
  bool wants_gradient(int i) const { return options_.wants_gradient[i]; }
  const Shape& param_shape(int i) const { return param_[i]->shape(); }

  void SetBottom(int i, const std::vector<double>& values);
  void SetParam(int i, const std::vector<double>& values);
  void SetTop(int i, const std::vector<double>& values);
  void SetTopDiff(int i, const std::vector<double>& values);
  std::vector<double> Bottom(int i = 0) const;
  std::vector<double> BottomDiff(int i = 0) const;
  std::vector<double> Top(int i = 0) const;
  std::vector<double> TopDiff(int i = 0) const;
  std::vector<double> Param(int i) const;
  std::vector<double> ParamDiff(int i) const;

  void Forward();
  // Clears the params' gradients or, where the layer overwrites them, makes them NaN, then runs
  // Backward; `propagate_down` defaults to every bottom that the layer's traits do not exclude.
  void Backward(std::vector<bool> propagate_down = {});
  std::vector<bool> DefaultPropagateDown() const;

  // For calls of the layer itself; they are good until the next Reshape.
  BlobList bottom_blobs() const;
  BlobList top_blobs() const;

  // What the layer was last planned for, and its answer.
  const PlanInput& input() const { return input_; }
  const LayerPlan& plan() const { return plan_; }

 private:
  void MakeTops();
  void Build(const std::vector<Shape>& bottoms);
  void FollowData();
  void FillWithNaN(const Tensor& tensor) const;

  RunnerOptions options_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Layer> layer_;
  PlanInput input_;
  LayerPlan plan_;
  std::vector<std::unique_ptr<Blob>> bottom_, top_, param_;
  bool started_ = false;
};

// Normal random numbers with the given mean and deviation, the same for the same seed.
std::vector<double> RandomValues(int64_t count, uint64_t seed = 7, double mean = 0,
                                 double deviation = 1);
// Whole numbers 0 .. below-1.
std::vector<double> RandomLabels(int64_t count, int below, uint64_t seed = 7);

// EXPECTs equal sizes and |a - b| <= tolerance * max(1, |a|, |b|) everywhere.
void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected,
                double tolerance);

struct GradientCheck {
  double step = 1e-3;
  double tolerance = 1e-5;
  // Elements of bottoms (not params) within kink_range of `kink` are skipped.
  double kink = 0;
  double kink_range = -1;
  // Called before every forward pass; resets what Forward changes (running statistics).
  std::function<void(LayerRunner&)> reset;
};

// Compares the gradients of every propagating bottom and every wanted param with central
// differences of sum(top_diff * top). The runner must be of float64 and not in place.
void CheckGradients(LayerRunner& runner, const GradientCheck& check = {});

// EXPECTs that `action` throws crema::Error whose text contains each of `parts`.
void ExpectError(const std::function<void()>& action, const std::vector<std::string>& parts);

}  // namespace crema::test
