// What the tests of engines share: the same layer by our own code and by an engine, compared.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "crema/dev/registry.h"
#include "util/layer_runner.h"

namespace crema::test {

inline bool HasEngine(const std::string& engine) {
  const std::vector<std::string> names = EngineNames(DeviceKind::kCpu);
  return std::find(names.begin(), names.end(), engine) != names.end();
}

#define CREMA_NEEDS_ENGINE(engine) \
  if (!HasEngine(engine)) GTEST_SKIP() << "this build has no " << (engine)

struct EngineCase {
  std::string options;
  Shape bottom;
  int bottoms = 1;
};

// The largest difference over the largest value, or over `least_scale` if that is larger.
inline void ExpectClose(const std::vector<double>& actual, const std::vector<double>& expected,
                        double tolerance, const std::string& what, double least_scale = 1e-3) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double scale = least_scale, worst = 0;
  for (double value : expected) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < actual.size(); ++i) {
    worst = std::max(worst, std::abs(actual[i] - expected[i]));
    ASSERT_EQ(actual[i], actual[i]) << what << ": not a number at " << i;
  }
  EXPECT_LE(worst, tolerance * scale) << what;
}

// Both start from equal values. Backward runs twice from cleared gradients: what an engine keeps
// from the first run must not show in the second.
inline void ExpectSameAsCaffe(const std::string& text, const std::vector<Shape>& bottoms,
                              RunnerOptions options, double tolerance = 1e-5,
                              double least_scale = 1e-3) {
  options.dtype = DType::kFloat32;
  options.tops = std::max(options.tops, 1);
  RunnerOptions own = options;
  own.engine = "CAFFE";
  own.layout = Layout::kPlain;
  LayerRunner expected(text, bottoms, own), actual(text, bottoms, options);
  for (int round = 0; round < 2; ++round) {
    if (round == 1) {
      for (int p = 0; p < actual.params(); ++p) {
        const auto values = RandomValues(actual.param_shape(p).count(), 50 + p);
        actual.SetParam(p, values);
        expected.SetParam(p, values);
      }
    }
    expected.Forward();
    actual.Forward();
    ASSERT_EQ(actual.top_shape(), expected.top_shape());
    for (int t = 0; t < actual.tops(); ++t) {
      ExpectClose(actual.Top(t), expected.Top(t), tolerance, "top", least_scale);
    }
    expected.Backward();
    actual.Backward();
    for (int b = 0; b < actual.bottoms(); ++b) {
      ExpectClose(actual.BottomDiff(b), expected.BottomDiff(b), tolerance, "bottom's gradient",
                  least_scale);
    }
    for (int p = 0; p < actual.params(); ++p) {
      ExpectClose(actual.ParamDiff(p), expected.ParamDiff(p), tolerance, "param's gradient",
                  least_scale);
    }
  }
}

}  // namespace crema::test
