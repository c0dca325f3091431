// Layers that are planned without a backward pass: the same tops, and no memory for what they would
// have left for it.
#include <memory>
#include <set>

#include "data/databases.h"
#include "layers/layer_examples.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// What these keep is for other things: for the next batch, for the error about a bad label, for a
// matrix from a file, for which items are selected.
const std::set<std::string> kKeepers = {
    "Accuracy",  "BatchReindex",   "Embed", "Filter",
    "HingeLoss", "InfogainLoss",   "LSTM",  "MultinomialLogisticLoss",
    "RNN",       "SoftmaxWithLoss"};

int64_t StateCount(const LayerPlan& plan) {
  int64_t count = 0;
  for (const TensorSpec& state : plan.state) count += state.shape.count();
  return count;
}

class WithoutBackwardTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    WriteExampleData(temp_.path());
    if (GetParam() == "MemoryData") GTEST_SKIP() << "it has no data of its own";
    if (GetParam() == "Input") GTEST_SKIP() << "users write its tops";
  }

  std::unique_ptr<LayerRunner> Make(const LayerExample& example, const RunnerOptions& options) {
    const std::string text = ExampleLayer(example, temp_.path()).ShortDebugString();
    auto runner = std::make_unique<LayerRunner>(text, example.bottoms, options);
    // Numbers that are labels, indices and probabilities alike.
    for (int b = 0; b < runner->bottoms(); ++b) {
      runner->SetBottom(b, RandomLabels(example.bottoms[b].count(), 2, 3 + b));
    }
    return runner;
  }

  template <class F>
  void ForAllUses(const F& check) {
    for (const LayerExample& example : LayerExamples()) {
      if (example.type != GetParam()) continue;
      for (const DeviceKind device : {DeviceKind::kCpu, DeviceKind::kFake}) {
        for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
          SCOPED_TRACE(Concat(example.type, " ", example.options, " on ", ToString(device),
                              phase == Phase::kTrain ? ", TRAIN" : ", TEST"));
          RunnerOptions options;
          options.device = device;
          options.phase = phase;
          options.tops = example.tops;
          check(example, options);
        }
      }
    }
  }

  TempFolder temp_;
};
INSTANTIATE_TEST_SUITE_P(Types, WithoutBackwardTest, testing::ValuesIn(ExampleTypes()),
                         [](const auto& info) { return info.param; });

TEST_P(WithoutBackwardTest, GivesTheSameTops) {
  if (GetParam() == "HDF5Output") GTEST_SKIP() << "two would write one file";
  ForAllUses([&](const LayerExample& example, RunnerOptions options) {
    const auto with = Make(example, options);
    options.runs_backward = false;
    const auto without = Make(example, options);
    for (int pass = 0; pass < 2; ++pass) {
      with->Forward();
      without->Forward();
      ASSERT_EQ(with->tops(), without->tops());
      for (int t = 0; t < with->tops(); ++t) EXPECT_EQ(without->Top(t), with->Top(t));
    }
  });
}

TEST_P(WithoutBackwardTest, KeepsNothingForIt) {
  ForAllUses([&](const LayerExample& example, RunnerOptions options) {
    const LayerPlan with = Make(example, options)->plan();
    options.runs_backward = false;
    const LayerPlan without = Make(example, options)->plan();
    EXPECT_LE(StateCount(without), StateCount(with));
    EXPECT_EQ(without.tops.size(), with.tops.size());
    EXPECT_EQ(without.params.size(), with.params.size());
    if (kKeepers.count(example.type) == 0) {
      EXPECT_EQ(StateCount(without), 0);
    }
  });
}

// In place the input is written over, and nobody misses it.
TEST_P(WithoutBackwardTest, KeepsNoCopyOfItsInput) {
  ForAllUses([&](const LayerExample& example, RunnerOptions options) {
    options.runs_backward = false;
    const auto apart = Make(example, options);
    if (!apart->layer().traits().may_run_in_place) return;
    LayerExample unnamed = example;
    unnamed.tops = 0;  // the runner names them
    options.in_place = true;
    const auto in_place = Make(unnamed, options);
    EXPECT_EQ(StateCount(in_place->plan()), 0);
    apart->Forward();
    in_place->Forward();
    EXPECT_EQ(in_place->Top(), apart->Top());
  });
}

}  // namespace
}  // namespace crema::test
