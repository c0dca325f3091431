#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "crema.pb.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class InfogainLossTest : public LayerTest {
 protected:
  RunnerOptions On(int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(InfogainLossTest);

// Any matrix: its rows need not sum to 1.
const std::vector<double> kGain = {1, 0.5, -0.25, 0, 2, 0.125, 0.75, 0, 1};

std::string WriteMatrix(const std::string& name, const std::vector<double>& values) {
  proto::BlobProto blob;
  blob.mutable_shape()->add_dim(static_cast<int64_t>(values.size()));
  for (double value : values) blob.add_data(static_cast<float>(value));
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << blob.SerializeAsString();
  return path;
}

std::string WithFile(const std::string& path, const std::string& more = "") {
  return "type: 'InfogainLoss' infogain_loss_param { source: '" + path + "' " + more + " }";
}

// The loss of outer x 3 x inner scores, summed.
double NaiveLoss(const std::vector<double>& x, const std::vector<double>& labels, int inner) {
  double loss = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const size_t first = i / inner * 3 * inner + i % inner;
    double sum = 0;
    for (int c = 0; c < 3; ++c) sum += std::exp(x[first + c * inner]);
    for (int c = 0; c < 3; ++c) {
      const double p = std::exp(x[first + c * inner]) / sum;
      loss -= kGain[3 * static_cast<size_t>(labels[i]) + c] * std::log(p);
    }
  }
  return loss;
}

TEST_P(InfogainLossTest, FollowsItsFormula) {
  const std::string path = WriteMatrix("infogain_values.binaryproto", kGain);
  LayerRunner file(WithFile(path), {Shape{2, 3, 4}, Shape{2, 4}}, On(2));
  LayerRunner bottom("type: 'InfogainLoss'", {Shape{2, 3, 4}, Shape{2, 4}, Shape{3, 3}}, On(2));
  bottom.SetBottom(2, kGain);
  const std::vector<double> labels = RandomLabels(8, 3), x = RandomValues(24, 5);
  for (LayerRunner* runner : {&file, &bottom}) {
    runner->SetBottom(0, x);
    runner->SetBottom(1, labels);
    runner->Forward();
    ExpectNear(runner->Top(0), {NaiveLoss(x, labels, 4) / 8}, 1e-13);
    EXPECT_EQ(runner->top_shape(1), (Shape{2, 3, 4}));
    for (int i = 0; i < 4; ++i) {
      const std::vector<double> p = runner->Top(1);
      EXPECT_NEAR(p[i] + p[4 + i] + p[8 + i], 1, 1e-14);
    }
  }
}

TEST_P(InfogainLossTest, GradientsAgreeWithDifferences) {
  for (const char* options :
       {"", "loss_param { ignore_label: 1 }", "loss_param { normalization: BATCH_SIZE }"}) {
    LayerRunner runner(std::string("type: 'InfogainLoss' ") + options,
                       {Shape{2, 3, 4}, Shape{2, 4}, Shape{9}}, On());
    runner.SetBottom(1, RandomLabels(8, 3));
    runner.SetBottom(2, kGain);
    CheckGradients(runner);
  }
}

// Scores (2, 3) along axis 0: three classes, two positions.
TEST_P(InfogainLossTest, TakesAnAxis) {
  const std::string path = WriteMatrix("infogain_axis.binaryproto", kGain);
  LayerRunner runner(WithFile(path, "axis: 0"), {Shape{3, 2}, Shape{2}}, On());
  runner.SetBottom(1, {2, 0});
  runner.Forward();
  ExpectNear(runner.Top(), {NaiveLoss(runner.Bottom(0), {2, 0}, 2) / 2}, 1e-13);
}

TEST_P(InfogainLossTest, IgnoresALabel) {
  LayerRunner runner("type: 'InfogainLoss' loss_param { ignore_label: -1 }",
                     {Shape{2, 3}, Shape{2}, Shape{9}}, On());
  runner.SetBottom(1, {-1, 2});
  runner.SetBottom(2, kGain);
  runner.Forward();
  runner.Backward();
  const std::vector<double> x = runner.Bottom(0);
  ExpectNear(runner.Top(), {NaiveLoss({x.begin() + 3, x.end()}, {2}, 1)}, 1e-13);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(runner.BottomDiff(0)[i], 0);
}

TEST_P(InfogainLossTest, TakesAnEmptyBatch) {
  LayerRunner runner("type: 'InfogainLoss'", {Shape{0, 3}, Shape{0}, Shape{9}}, On());
  runner.Forward();
  runner.Backward();
  ExpectNear(runner.Top(), {0}, 0);
}

TEST_P(InfogainLossTest, NamesBadLabels) {
  LayerRunner runner("type: 'InfogainLoss'", {Shape{2, 3}, Shape{2}, Shape{9}}, On());
  runner.SetBottom(1, {0, 7});
  runner.Forward();
  EXPECT_NE(runner.layer().CheckAfterForward(runner.context()).find("the first is 7 at position 1"),
            std::string::npos);
}

TEST_P(InfogainLossTest, RefusesWhatDoesNotFit) {
  ExpectError(
      [&] {
        LayerRunner("type: 'InfogainLoss'", {Shape{2, 3}, Shape{2}}, On());
      },
      {"'test' (InfogainLoss)", "no matrix H", "third bottom"});
  ExpectError(
      [&] {
        LayerRunner("type: 'InfogainLoss'", {Shape{2, 3}, Shape{2}, Shape{8}}, On());
      },
      {"third bottom has 8 values", "3 classes", "9"});
  const std::string path = WriteMatrix("infogain_small.binaryproto", {1, 2});
  ExpectError(
      [&] {
        LayerRunner(WithFile(path), {Shape{2, 3}, Shape{2}}, On());
      },
      {"infogain_small.binaryproto has 2 values"});
  ExpectError(
      [&] {
        LayerRunner(WithFile("none.binaryproto"), {Shape{2, 3}, Shape{2}}, On());
      },
      {"none.binaryproto", "cannot be opened"});
}

}  // namespace
}  // namespace crema::test
