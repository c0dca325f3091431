// The tests that all layers of layers/shared/elementwise/unary.h pass.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "util/layer_runner.h"

namespace crema::test {

inline RunnerOptions UnaryOptions(DeviceKind device, DType dtype, bool in_place) {
  RunnerOptions options;
  options.device = device;
  options.dtype = dtype;
  options.in_place = in_place;
  return options;
}

struct UnaryCase {
  std::string layer;                    // "type: 'Power' power_param { power: 2 }"
  std::function<double(double)> value;  // what it computes
  double low = -3, high = 3;            // where it is tried
  GradientCheck gradient = {};
};

// Evenly spaced, so that no value is at a kink of a case by accident.
inline std::vector<double> Spread(const UnaryCase& test, int64_t count) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(test.low + (test.high - test.low) * (static_cast<double>(i) + 0.37) / count);
  }
  return values;
}

inline void CheckUnaryValues(DeviceKind device, const UnaryCase& test) {
  const Shape shape{3, 5, 7, 9};
  LayerRunner doubles(test.layer, {shape}, UnaryOptions(device, DType::kFloat64, false));
  LayerRunner floats(test.layer, {shape}, UnaryOptions(device, DType::kFloat32, false));
  std::vector<double> expected;
  for (double x : Spread(test, shape.count())) expected.push_back(test.value(x));
  for (LayerRunner* runner : {&doubles, &floats}) {
    runner->SetBottom(0, Spread(test, shape.count()));
    runner->Forward();
    EXPECT_EQ(runner->top_shape(), shape);
  }
  ExpectNear(doubles.Top(), expected, 1e-6);  // the options are floats: 0.1f is not 0.1
  ExpectNear(floats.Top(), expected, 1e-5);
}

inline void CheckUnaryGradients(DeviceKind device, const UnaryCase& test) {
  LayerRunner runner(test.layer, {Shape{4, 11}}, UnaryOptions(device, DType::kFloat64, false));
  runner.SetBottom(0, Spread(test, 44));
  CheckGradients(runner, test.gradient);
}

inline void CheckUnaryInPlace(DeviceKind device, const UnaryCase& test) {
  LayerRunner apart(test.layer, {Shape{5, 8}}, UnaryOptions(device, DType::kFloat64, false));
  LayerRunner in_place(test.layer, {Shape{5, 8}}, UnaryOptions(device, DType::kFloat64, true));
  for (LayerRunner* runner : {&apart, &in_place}) {
    runner->SetBottom(0, Spread(test, 40));
    runner->Forward();
    runner->SetTopDiff(0, RandomValues(40, 3));
  }
  ExpectNear(in_place.Top(), apart.Top(), 0);
  for (LayerRunner* runner : {&apart, &in_place}) runner->Backward();
  ExpectNear(in_place.BottomDiff(), apart.BottomDiff(), 0);
}

inline void CheckUnary(DeviceKind device, const UnaryCase& test) {
  SCOPED_TRACE(test.layer);
  CheckUnaryValues(device, test);
  CheckUnaryGradients(device, test);
  CheckUnaryInPlace(device, test);
  LayerRunner empty(test.layer, {Shape{0, 3}}, UnaryOptions(device, DType::kFloat32, false));
  empty.Forward();
  empty.Backward();
  EXPECT_EQ(empty.top_shape(), (Shape{0, 3}));
}

// What comes out for, and what goes back with a gradient of 1 from, each of `inputs`.
inline void ExpectUnary(DeviceKind device, const std::string& layer,
                        const std::vector<double>& inputs, const std::vector<double>& outputs,
                        const std::vector<double>& slopes) {
  const Shape shape{static_cast<int64_t>(inputs.size())};
  LayerRunner runner(layer, {shape}, UnaryOptions(device, DType::kFloat64, false));
  runner.SetBottom(0, inputs);
  runner.Forward();
  runner.SetTopDiff(0, std::vector<double>(inputs.size(), 1));
  runner.Backward();
  ExpectNear(runner.Top(), outputs, 1e-12);
  ExpectNear(runner.BottomDiff(), slopes, 1e-12);
}

}  // namespace crema::test
