// Every layer with bottoms of any number of axes: a sentence, or tops and gradients that are
// written to the last element. On the CPU, where the runner's tops hold NaNs before, and on the
// fake GPU, where all memory does.
#include <cmath>

#include "crema/dev/registry.h"
#include "data/databases.h"
#include "layers/layer_examples.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

constexpr int kMostAxes = 6;

// The first axes of `shape`, and axes of 2 behind.
Shape WithAxes(const Shape& shape, int axes) {
  std::vector<int64_t> dims = shape.dims();
  dims.resize(static_cast<size_t>(axes), 2);
  return Shape(dims);
}

// As it is, of one element, an empty batch, and with an empty last axis.
std::vector<Shape> VariantsOf(const Shape& shape) {
  std::vector<Shape> variants = {shape};
  if (shape.rank() == 0) return variants;
  variants.push_back(Shape(std::vector<int64_t>(shape.rank(), 1)));
  for (int axis : {0, shape.rank() - 1}) {
    std::vector<int64_t> dims = shape.dims();
    dims[axis] = 0;
    variants.push_back(Shape(dims));
  }
  return variants;
}

bool IsWritten(const std::vector<double>& values) {
  for (double value : values) {
    if (std::isnan(value)) return false;
  }
  return true;
}

class WrittenTopsTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { WriteExampleData(temp_.path()); }

  void Check(const LayerExample& example, const std::vector<Shape>& bottoms, Phase phase) {
    for (const DeviceKind device : {DeviceKind::kCpu, DeviceKind::kFake}) {
      CheckOn(device, example, bottoms, phase);
    }
  }

  void CheckOn(DeviceKind device, const LayerExample& example, const std::vector<Shape>& bottoms,
               Phase phase) {
    RunnerOptions options;
    options.device = device;
    options.phase = phase;
    options.tops = example.tops;
    const std::string text = ExampleLayer(example, temp_.path()).ShortDebugString();
    std::string trace = text;
    for (const Shape& shape : bottoms) trace += " [" + shape.ToString() + "]";
    SCOPED_TRACE(trace);
    try {
      LayerRunner runner(text, bottoms, options);
      ++accepted_;
      // Numbers that are labels, indices and probabilities alike.
      for (int b = 0; b < runner.bottoms(); ++b) {
        runner.SetBottom(b, RandomLabels(bottoms[b].count(), 2, 3 + b));
      }
      runner.Forward();
      for (int t = 0; t < runner.tops(); ++t) EXPECT_TRUE(IsWritten(runner.Top(t))) << "top " << t;
      if (phase == Phase::kTrain && runner.layer().traits().has_backward) CheckGradients(runner);
    } catch (const Error&) {
    }
  }

  static void CheckGradients(LayerRunner& runner) {
    runner.Backward();
    const std::vector<bool> sent = runner.DefaultPropagateDown();
    for (int b = 0; b < runner.bottoms(); ++b) {
      if (!sent[b]) continue;
      EXPECT_TRUE(IsWritten(runner.BottomDiff(b))) << "gradient of bottom " << b;
    }
    for (int p = 0; p < runner.params(); ++p) {
      if (!runner.wants_gradient(p)) continue;
      EXPECT_TRUE(IsWritten(runner.ParamDiff(p))) << "gradient of parameter " << p;
    }
  }

  // All combinations of numbers of axes for the first bottoms.
  void ForAllRanks(const LayerExample& example, size_t bottom, std::vector<Shape>* bottoms) {
    constexpr size_t kSwept = 3;
    if (bottom == std::min(kSwept, bottoms->size())) {
      for (const Phase phase : {Phase::kTrain, Phase::kTest}) Check(example, *bottoms, phase);
      return;
    }
    const Shape own = (*bottoms)[bottom];
    for (int axes = 0; axes <= kMostAxes; ++axes) {
      (*bottoms)[bottom] = WithAxes(own, axes);
      ForAllRanks(example, bottom + 1, bottoms);
    }
    (*bottoms)[bottom] = own;
  }

  TempFolder temp_;
  int accepted_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Types, WrittenTopsTest, testing::ValuesIn(ExampleTypes()),
                         [](const auto& info) { return info.param; });

TEST_P(WrittenTopsTest, WithAnyNumberOfAxes) {
  if (GetParam() == "MemoryData") GTEST_SKIP() << "it has no data of its own";
  if (GetParam() == "Input") GTEST_SKIP() << "users write its tops";
  for (const LayerExample& example : LayerExamples()) {
    if (example.type != GetParam()) continue;
    std::vector<Shape> bottoms = example.bottoms;
    ForAllRanks(example, 0, &bottoms);
  }
  EXPECT_GT(accepted_, 0);
}

TEST_P(WrittenTopsTest, WithAxesOfOneAndNone) {
  if (GetParam() == "MemoryData" || GetParam() == "Input") GTEST_SKIP() << "see above";
  for (const LayerExample& example : LayerExamples()) {
    if (example.type != GetParam() || example.bottoms.empty()) continue;
    for (size_t v = 0; v < VariantsOf(Shape{1}).size(); ++v) {
      std::vector<Shape> bottoms;
      for (const Shape& shape : example.bottoms) bottoms.push_back(VariantsOf(shape)[v]);
      for (const Phase phase : {Phase::kTrain, Phase::kTest}) Check(example, bottoms, phase);
    }
  }
}

}  // namespace
}  // namespace crema::test
