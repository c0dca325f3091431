// What layers say that their backward pass needs: gradients are the same where everything else is
// NaN by then. And what they say of signs.
#include <cmath>
#include <limits>
#include <memory>

#include "data/databases.h"
#include "layers/layer_examples.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class NeedsTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { WriteExampleData(temp_.path()); }

  std::unique_ptr<LayerRunner> Make(LayerExample example, RunnerOptions options) {
    options.tops = example.tops;
    if (options.in_place) example.tops = 0;  // the runner names them
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
      if (example.type != GetParam() || example.bottoms.empty()) continue;
      for (const bool in_place : {false, true}) {
        RunnerOptions options;
        options.in_place = in_place;
        const LayerTraits traits = Make(example, RunnerOptions())->layer().traits();
        if (!traits.has_backward || (in_place && !traits.may_run_in_place)) continue;
        SCOPED_TRACE(Concat(example.options, in_place ? ", in place" : ""));
        check(example, options);
      }
    }
  }

  // Some slopes are no numbers where an input is 0.
  static void ExpectSame(const std::vector<double>& actual, const std::vector<double>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      if (!std::isnan(expected[i])) ASSERT_EQ(actual[i], expected[i]) << "element " << i;
    }
  }

  static void ExpectSameGradients(const LayerRunner& actual, const LayerRunner& expected) {
    const std::vector<bool> sent = expected.DefaultPropagateDown();
    for (int b = 0; b < expected.bottoms(); ++b) {
      SCOPED_TRACE(Concat("bottom ", b));
      if (sent[b]) ExpectSame(actual.BottomDiff(b), expected.BottomDiff(b));
    }
    for (int p = 0; p < expected.params(); ++p) {
      SCOPED_TRACE(Concat("parameter ", p));
      if (expected.wants_gradient(p)) ExpectSame(actual.ParamDiff(p), expected.ParamDiff(p));
    }
  }

  TempFolder temp_;
};
INSTANTIATE_TEST_SUITE_P(Types, NeedsTest, testing::ValuesIn(ExampleTypes()),
                         [](const auto& info) { return info.param; });

// 1 where a value is above 0, else -1.
std::vector<double> SignsOf(std::vector<double> values) {
  for (double& value : values) value = value > 0 ? 1 : -1;
  return values;
}

TEST_P(NeedsTest, BackwardLooksAtNothingElse) {
  ForAllUses([&](const LayerExample& example, const RunnerOptions& options) {
    const auto expected = Make(example, options), actual = Make(example, options);
    for (LayerRunner* runner : {expected.get(), actual.get()}) runner->Forward();
    const LayerTraits traits = actual->layer().traits();
    const auto leave = [&](bool needs, std::vector<double> values) {
      if (needs) return traits.backward_needs_only_signs ? SignsOf(values) : values;
      return std::vector<double>(values.size(), std::numeric_limits<double>::quiet_NaN());
    };
    const bool needs_bottom = traits.backward_needs_bottom_data;
    const bool needs_top = traits.backward_needs_top_data;
    for (int b = 0; b < actual->bottoms(); ++b) {
      const bool is_top = options.in_place && b == 0;
      actual->SetBottom(b, leave(needs_bottom || (is_top && needs_top), actual->Bottom(b)));
    }
    for (int t = options.in_place ? 1 : 0; t < actual->tops(); ++t) {
      actual->SetTop(t, leave(needs_top, actual->Top(t)));
    }
    for (LayerRunner* runner : {expected.get(), actual.get()}) runner->Backward();
    ExpectSameGradients(*actual, *expected);
  });
}

TEST_P(NeedsTest, SignsStayWhereTheyAreSaidTo) {
  ForAllUses([&](const LayerExample& example, const RunnerOptions& options) {
    const auto runner = Make(example, options);
    if (!runner->layer().traits().keeps_signs) return;
    const std::vector<double> x = RandomValues(example.bottoms[0].count(), 5);
    runner->SetBottom(0, x);
    runner->Forward();
    const std::vector<double> y = runner->Top();
    runner->SetTopDiff(0, RandomValues(static_cast<int64_t>(y.size()), 6));
    runner->Backward();
    const std::vector<double> dx = runner->BottomDiff();
    for (size_t i = 0; i < x.size(); ++i) {
      if (dx[i] != 0) EXPECT_EQ(y[i] > 0, x[i] > 0) << "element " << i;
    }
  });
}

}  // namespace
}  // namespace crema::test
