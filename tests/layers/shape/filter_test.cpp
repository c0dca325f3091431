#include <gtest/gtest.h>

#include "net/net_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class FilterTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(FilterTest);

const char kFilter[] = "type: 'Filter'";

TEST_P(FilterTest, PassesTheSelectedItems) {
  LayerRunner runner(kFilter, {Shape{4, 2}, Shape{4, 1, 1}, Shape{4}}, On(2));
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6, 7, 8});
  runner.SetBottom(1, {10, 20, 30, 40});
  runner.SetBottom(2, {0, 1, 0, -0.5});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(0), (Shape{2, 2}));
  EXPECT_EQ(runner.top_shape(1), (Shape{2, 1, 1}));
  ExpectNear(runner.Top(0), {3, 4, 7, 8}, 0);
  ExpectNear(runner.Top(1), {20, 40}, 0);
}

TEST_P(FilterTest, SendsNothingToWhatWasLeftOut) {
  LayerRunner runner(kFilter, {Shape{3, 2}, Shape{3, 1}}, On());
  runner.SetBottom(1, {1, 0, 1});
  runner.Forward();
  runner.SetTopDiff(0, {5, 6, 7, 8});
  runner.Backward();
  ExpectNear(runner.BottomDiff(0), {5, 6, 0, 0, 7, 8}, 0);
}

TEST_P(FilterTest, GradientsAgreeWithDifferences) {
  LayerRunner runner(kFilter, {Shape{5, 3, 2}, Shape{5, 4}, Shape{5}}, On(2));
  runner.SetBottom(2, {1, 1, 0, 0, 1});
  runner.Forward();
  CheckGradients(runner);
}

TEST_P(FilterTest, MaySelectNothingOrAll) {
  LayerRunner runner(kFilter, {Shape{2, 3}, Shape{2}}, On());
  runner.SetBottom(1, {0, 0});
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 3}));
  runner.Backward();
  ExpectNear(runner.BottomDiff(0), {0, 0, 0, 0, 0, 0}, 0);
  runner.SetBottom(1, {2, 1});
  runner.Forward();
  ExpectNear(runner.Top(), runner.Bottom(), 0);
}

TEST_P(FilterTest, TakesAnEmptyBatch) {
  LayerRunner runner(kFilter, {Shape{0, 3}, Shape{0}}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_EQ(runner.top_shape(), (Shape{0, 3}));
}

TEST_P(FilterTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner(kFilter, {Shape{4, 2}, Shape{4, 2}}, On());
      },
      {"'test' (Filter)", "4 2 (8)", "one number per item"});
  ExpectError(
      [&] {
        LayerRunner(kFilter, {Shape{3, 2}, Shape{4}}, On());
      },
      {"bottom 0", "3 2 (6)", "4 items"});
  ExpectError(
      [&] {
        LayerRunner(kFilter, {Shape{3, 2}, Shape{3}}, On(2));
      },
      {"2 bottoms", "2 tops"});
}

// The layers above follow from pass to pass, and the parameters' gradients are those of a net of
// the selected items alone.
TEST_P(FilterTest, ANetFollowsTheNumberOfItems) {
  const auto net_of = [](int items, const std::string& filter) {
    return Input("x", {items, 3}) + Input("label", {items}) + Input("choice", {items}) + filter +
           Product("p", "fx", "p", 4) + Layer("r", "ReLU", {"p"}, {"p"}) +
           Product("q", "p", "q", 2) + Layer("loss", "SoftmaxWithLoss", {"q", "fl"}, {"loss"});
  };
  MakeNetOptions options;
  options.device = device();
  const auto net =
      MakeNet(net_of(4, Layer("f", "Filter", {"x", "label", "choice"}, {"fx", "fl"})), options);
  const std::vector<double> x = RandomValues(12, 5);
  for (int skipped : {1, 3, 0}) {
    std::vector<double> choice(4, 1.0), kept, labels;
    choice[skipped] = 0;
    for (int n = 0; n < 4; ++n) {
      if (n == skipped) continue;
      kept.insert(kept.end(), x.begin() + 3 * n, x.begin() + 3 * n + 3);
      labels.push_back(n % 2);
    }
    SetBlob(*net, "x", x);
    SetBlob(*net, "label", {0, 1, 0, 1});
    SetBlob(*net, "choice", choice);
    net->ClearGradients();
    ForwardBackward(*net);
    EXPECT_EQ(net->FindBlob("q")->shape(), (Shape{3, 2}));
    const auto small = MakeNet(
        net_of(3, Layer("f", "Split", {"x"}, {"fx"}) + Layer("g", "Split", {"label"}, {"fl"})),
        options);
    SetBlob(*small, "x", kept);
    SetBlob(*small, "label", labels);
    ForwardBackward(*small);
    ExpectNear(net->loss().ToHost<double>(), small->loss().ToHost<double>(), 1e-14);
    for (const char* layer : {"p", "q"}) {
      ExpectNear(ReadParamDiff(*net, layer, 0), ReadParamDiff(*small, layer, 0), 1e-14);
    }
  }
}

}  // namespace
}  // namespace crema::test
