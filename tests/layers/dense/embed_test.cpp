#include <gtest/gtest.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class EmbedTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1, bool in_place = false) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    options.in_place = in_place;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(EmbedTest);

std::string Embed(const std::string& options) {
  return "type: 'Embed' embed_param { num_output: 2 input_dim: 3 " + options +
         " weight_filler { type: 'gaussian' } bias_filler { type: 'gaussian' } }";
}

TEST_P(EmbedTest, LooksVectorsUp) {
  LayerRunner runner(Embed(""), {Shape{2, 2}}, On());
  runner.SetParam(0, {1, 2, 3, 4, 5, 6});
  runner.SetParam(1, {10, 20});
  runner.SetBottom(0, {2, 0, 2, 1});
  runner.SetTopDiff(0, {1, 2, 3, 4, 5, 6, 7, 8});
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 2, 2}));
  EXPECT_EQ(runner.param_shape(0), (Shape{3, 2}));
  ExpectNear(runner.Top(), {15, 26, 11, 22, 15, 26, 13, 24}, 0);
  ExpectNear(runner.ParamDiff(0), {3, 4, 7, 8, 6, 8}, 0);
  ExpectNear(runner.ParamDiff(1), {16, 20}, 0);
}

TEST_P(EmbedTest, GradientsAgreeWithDifferences) {
  for (const char* options : {"", "bias_term: false"}) {
    LayerRunner runner(Embed(options), {Shape{5, 1}}, On());
    runner.SetBottom(0, RandomLabels(5, 3));
    CheckGradients(runner);
  }
}

TEST_P(EmbedTest, NamesBadIndices) {
  LayerRunner runner(Embed("bias_term: false"), {Shape{3}}, On());
  runner.SetBottom(0, {1, -1, 3});
  runner.Forward();
  const std::string problem = runner.layer().CheckAfterForward(runner.context());
  for (const char* part :
       {"2 index values outside 0..2", "the first is -1 at position 1", "input_dim, 3"}) {
    EXPECT_NE(problem.find(part), std::string::npos) << problem;
  }
}

TEST_P(EmbedTest, TakesAnEmptyBatch) {
  LayerRunner runner(Embed(""), {Shape{0}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 2}));
}

TEST_P(EmbedTest, NeedsItsSizes) {
  ExpectError([&] { LayerRunner("type: 'Embed' embed_param { num_output: 2 }", {Shape{1}}, On()); },
              {"'test' (Embed)", "input_dim is missing"});
  ExpectError([&] { LayerRunner("type: 'Embed' embed_param { input_dim: 2 }", {Shape{1}}, On()); },
              {"'test' (Embed)", "num_output is missing"});
}

}  // namespace
}  // namespace crema::test
