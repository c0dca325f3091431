#include "train/report.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "train/train_test_util.h"

namespace crema {
namespace {

TEST(FormatNumber, PrintsAsAStreamPrintsAFloat) {
  EXPECT_EQ(FormatNumber(0), "0");
  EXPECT_EQ(FormatNumber(1), "1");
  EXPECT_EQ(FormatNumber(0.9699), "0.9699");
  EXPECT_EQ(FormatNumber(2.364671), "2.36467");
  EXPECT_EQ(FormatNumber(0.00996266), "0.00996266");
  EXPECT_EQ(FormatNumber(1e-8), "1e-08");
  EXPECT_EQ(FormatNumber(1234567), "1.23457e+06");
  EXPECT_EQ(FormatNumber(-0.5), "-0.5");
}

TEST(FormatNumber, HasOneNan) {
  EXPECT_EQ(FormatNumber(std::nan("")), "nan");
  EXPECT_EQ(FormatNumber(-std::nan("")), "nan");
  EXPECT_EQ(FormatNumber(std::copysign(std::numeric_limits<float>::quiet_NaN(), -1.0f)), "nan");
  EXPECT_EQ(FormatNumber(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(FormatNumber(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(FormatOutput, TellsTheWeightOfLosses) {
  EXPECT_EQ(FormatOutput({"accuracy", 0, 0.0953}), "accuracy = 0.0953");
  EXPECT_EQ(FormatOutput({"loss", 1, 2.34889}), "loss = 2.34889 (* 1 = 2.34889 loss)");
  EXPECT_EQ(FormatOutput({"loss1/loss1", 0.3f, 2}), "loss1/loss1 = 2 (* 0.3 = 0.6 loss)");
  EXPECT_EQ(FormatOutput({"loss", 1, -std::nan("")}), "loss = nan (* 1 = nan loss)");
}

// Weights and rate are zero, so every number of the log is known: the loss of 4 classes is
// log(4) = 1.38629.
proto::SolverParameter KnownSolver(const std::string& more) {
  return ParseSolver(R"(net_param {
    name: "known"
    layer { name: "data" type: "DummyData" top: "data" top: "label"
      dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } data_filler { value: 1 } } }
    layer { name: "pair" type: "DummyData" top: "b_pair" include { phase: TRAIN }
      dummy_data_param { shape { dim: 2 } data_filler { value: 0.25 } } }
    layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
      inner_product_param { num_output: 4 } }
    layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
      accuracy_param { top_k: 4 } include { phase: TEST } }
    layer { name: "a_loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "a_loss"
      loss_weight: 0.5 }
  } base_lr: 1e-30 lr_policy: "inv" gamma: 1 power: 1 random_seed: 1 )" +
                     more);
}

// The lines of the BVLC build at the same solver, with its speed left out.
TEST(LogLines, AreThoseOfCaffe) {
  const std::string prefix = (TestFolder() / "known").string();
  LogCapture log;
  const auto trainer = MakeTrainer(KnownSolver(
      "max_iter: 4 display: 2 snapshot: 3 test_iter: 2 test_interval: 4 test_compute_loss: true "
      "snapshot_prefix: '" +
      prefix + "'"));
  const size_t start = log.lines().size();
  ASSERT_TRUE(trainer->Train());
  std::vector<std::string> lines;
  for (size_t i = start; i < log.lines().size(); ++i) lines.push_back(WithoutSpeed(log.lines()[i]));
  const auto test = [&](int iteration) {
    return std::vector<std::string>{
        Concat("Iteration ", iteration, ", Testing net (#0)"), "Test loss: 0.693147",
        "    Test net output #0: a_loss = 1.38629 (* 0.5 = 0.693147 loss)",
        "    Test net output #1: accuracy = 1"};
  };
  const auto display = [&](int iteration, const std::string& rate) {
    return std::vector<std::string>{
        Concat("Iteration ", iteration, ", loss = 0.693147"),
        "    Train net output #0: a_loss = 1.38629 (* 0.5 = 0.693147 loss)",
        "    Train net output #1: b_pair = 0.25", "    Train net output #2: b_pair = 0.25",
        Concat("Iteration ", iteration, ", lr = ", rate)};
  };
  const auto snapshot = [&](int iteration) {
    return std::vector<std::string>{
        Concat("Snapshotting to binary proto file ", prefix, "_iter_", iteration, ".caffemodel"),
        Concat("Snapshotting solver state to binary proto file ", prefix, "_iter_", iteration,
               ".solverstate")};
  };
  std::vector<std::string> expected = {"Solving known", "Learning Rate Policy: inv"};
  for (const auto& part : {test(0),
                           display(0, "1e-30"),
                           display(2, "3.33333e-31"),
                           snapshot(3),
                           snapshot(4),
                           {"Iteration 4, loss = 0.693147"},
                           test(4),
                           {"Optimization Done."}}) {
    expected.insert(expected.end(), part.begin(), part.end());
  }
  EXPECT_EQ(lines, expected);
}

TEST(LogLines, TellTheSpeed) {
  LogCapture log;
  MakeTrainer(KnownSolver("max_iter: 4 display: 2 snapshot_after_train: false"))->Train();
  const auto lines = log.With("iters)");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[1],
              testing::MatchesRegex(
                  "Iteration 2 \\([0-9.e+-]+ iter/s, [0-9.e+-]+s/2 iters\\), loss = 0.693147"));
}

// average_loss: 3 shows the mean of the last 3 losses, or of as many as there are.
TEST(LogLines, SmoothTheLoss) {
  const auto losses = [](const std::string& more) {
    LogCapture log;
    MakeTrainer(ParseSolver(TinyNet() +
                            "base_lr: 1 lr_policy: 'fixed' random_seed: 2 max_iter: 6 "
                            "display: 1 snapshot_after_train: false " +
                            more))
        ->Train();
    std::vector<double> values;
    for (const std::string& line : log.With(", loss = ")) {
      values.push_back(std::stod(line.substr(line.find("loss = ") + 7)));
    }
    return values;
  };
  const auto plain = losses(""), smooth = losses("average_loss: 3");
  ASSERT_EQ(plain.size(), 7u);  // the last is the final look
  ASSERT_EQ(smooth.size(), 7u);
  for (int i = 0; i < 7; ++i) {
    const int first = std::max(0, i - 2);
    double sum = 0;
    for (int k = first; k <= i; ++k) sum += plain[k];
    EXPECT_NEAR(smooth[i], sum / (i - first + 1), 1e-5 * (1 + smooth[i])) << i;
  }
}

}  // namespace
}  // namespace crema
