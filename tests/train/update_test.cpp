// What updates beyond Caffe's rules do to a training: averaged weights, plateaus, rates of their
// own.
#include <cmath>

#include "train/train_test_util.h"
#include "util/limited_device.h"

namespace crema {
namespace {

class UpdateTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  proto::SolverParameter Solver(const std::string& more) const {
    return ParseSolver(TinySolver(folder_), more);
  }
  std::unique_ptr<Trainer> Make(const std::string& more, const std::string& from = "") const {
    return MakeTrainer(Solver(more), from, nullptr, DType::kFloat64);
  }
  std::string Error(const std::string& more) const {
    return ErrorOf([&] { MakeTrainer(Solver(more)); });
  }
  // What a `.caffemodel` holds.
  std::vector<double> WeightsIn(const std::string& name) const {
    return WeightsOf(*Make("weights: '" + Path(name) + "'"));
  }
  // The rates of iterations 0, 1, ... of a run of `iterations`.
  std::vector<std::string> Rates(const std::string& more, int iterations) const {
    LogCapture log;
    const auto trainer = Make("display: 1 " + more);
    trainer->Step(iterations);
    std::vector<std::string> rates;
    for (const std::string& line : log.With(", lr = "))
      rates.push_back(line.substr(line.find("lr")));
    return rates;
  }
  std::filesystem::path folder_;
};

// By hand: a twin without an average is followed step by step.
std::vector<double> AverageOf(Trainer* twin, int steps, double decay) {
  std::vector<double> average = WeightsOf(*twin);
  for (int t = 1; t <= steps; ++t) {
    twin->Step(1);
    const std::vector<double> w = WeightsOf(*twin);
    const double keep = std::min(decay, (1.0 + t) / (10 + t));
    for (size_t i = 0; i < w.size(); ++i) average[i] = keep * average[i] + (1 - keep) * w[i];
  }
  return average;
}

void ExpectAlmost(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-12) << i;
}

TEST_F(UpdateTest, SnapshotsHoldTheAverage) {
  const auto twin = Make("");
  const std::vector<double> expected = AverageOf(twin.get(), 9, 0.5);
  const auto trainer = Make("ema_decay: 0.5");
  trainer->Step(9);
  trainer->Snapshot();
  EXPECT_EQ(WeightsOf(*trainer), WeightsOf(*twin));  // training does not see it
  ExpectAlmost(WeightsIn("tiny_iter_9.caffemodel"), expected);
}

// The same test result as with the average for weights; snapshots during the test are as always.
TEST_F(UpdateTest, TestNetsSeeTheAverage) {
  const std::string test = " test_iter: 2 test_interval: 100 test_initialization: false ";
  int asked = 0;
  const auto trainer = MakeTrainer(
      Solver("ema_decay: 0.4" + test), "",
      [&] {
        return ++asked == 10 ? Action::kSnapshot : Action::kNone;  // in the test's first batch
      },
      DType::kFloat64);
  trainer->Step(9);
  const std::vector<double> weights = WeightsOf(*trainer);
  const double loss = trainer->Test(0)[0];
  ASSERT_GE(asked, 11);
  EXPECT_EQ(WeightsOf(*trainer), weights);
  const std::string averaged = "weights: '" + Path("tiny_iter_9.caffemodel") + "'";
  EXPECT_EQ(Make(averaged + test)->Test(0)[0], loss);
  const auto resumed = Make("ema_decay: 0.4" + test, Path("tiny_iter_9.solverstate"));
  EXPECT_EQ(WeightsOf(*resumed), weights);
}

TEST_F(UpdateTest, ATestThatFailsLeavesTheTrainedWeights) {
  proto::SolverParameter solver = Solver(
      "ema_decay: 0.4 test_iter: 1 test_interval: 100 eval_type: 'detection' "
      "test_initialization: false");
  const auto trainer = MakeTrainer(solver);
  trainer->Step(3);
  const std::vector<double> weights = WeightsOf(*trainer);
  EXPECT_TRUE(Contains(ErrorOf([&] { trainer->Test(0); }), "rows of 5 numbers"));
  EXPECT_EQ(WeightsOf(*trainer), weights);
}

// Training goes on after a snapshot that could not be made, wherever it was broken off.
TEST_F(UpdateTest, ASnapshotThatFailsLeavesTheTrainedWeights) {
  const auto device = std::make_shared<LimitedDevice>();
  TrainOptions options;
  options.device = device;
  Trainer trainer(Solver("ema_decay: 0.4"), options);
  trainer.Step(3);
  const std::vector<double> weights = WeightsOf(trainer);
  int failures = 0;
  for (bool done = false; !done; ++failures) {
    device->set_copies_left(failures);
    done = ErrorOf([&] { trainer.Snapshot(); }).empty();
    device->set_copies_left(UINT64_MAX);
    ASSERT_EQ(WeightsOf(trainer), weights) << failures;
  }
  EXPECT_GT(failures, 4);
}

// A state with trained weights goes on from them, whether or not there is an average now.
TEST_F(UpdateTest, GoesOnFromTheTrainedWeights) {
  const auto trainer = Make("ema_decay: 0.4");
  trainer->Step(4);
  trainer->Snapshot();
  const auto resumed = Make("", Path("tiny_iter_4.solverstate"));
  EXPECT_EQ(WeightsOf(*resumed), WeightsOf(*trainer));
  proto::SolverState state = ReadState(Path("tiny_iter_4.solverstate"));
  state.mutable_progress()->mutable_trained_weights()->RemoveLast();
  WriteState(Path("bad.solverstate"), state);
  EXPECT_TRUE(Contains(ErrorOf([&] { Make("ema_decay: 0.4", Path("bad.solverstate")); }),
                       "trained weights of 1 parameters, but the net has 2"));
}

// The data are random, so the loss does not stand still; of a test loss from long ago, which stays,
// more never comes.
TEST_F(UpdateTest, PlateauFollowsATest) {
  const std::string text =
      "lr_policy: 'plateau' gamma: 0.5 base_lr: 0.125 plateau_winsize: 2 "
      "plateau_winsize: 3 test_iter: 1 test_interval: 1000 ";
  const std::vector<std::string> expected = {"lr = 0.125",  "lr = 0.125",  "lr = 0.0625",
                                             "lr = 0.0625", "lr = 0.0625", "lr = 0.03125",
                                             "lr = 0.03125"};
  EXPECT_EQ(Rates(text + "plateau_metric: 'loss'", 7), expected);
  EXPECT_EQ(Rates(text + "plateau_metric: 'loss' plateau_mode: 'max'", 7), expected);
}

// The smoothed loss falls, so the rate stays; the other way round the rate falls.
TEST_F(UpdateTest, PlateauFollowsTheTrainingLoss) {
  const std::string text =
      "lr_policy: 'plateau' gamma: 0.5 base_lr: 0.125 plateau_winsize: 12 "
      "average_loss: 100 ";
  EXPECT_EQ(Rates(text, 30).back(), "lr = 0.125");
  EXPECT_EQ(Rates(text + "plateau_mode: 'max'", 30).back(), "lr = 0.0625");
}

TEST_F(UpdateTest, PlateauErrors) {
  const std::string text = "lr_policy: 'plateau' gamma: 0.5 plateau_winsize: 2 ";
  EXPECT_TRUE(Contains(Error(text + "plateau_mode: 'least'"), "plateau_mode is 'least'"));
  EXPECT_TRUE(Contains(Error(text + "plateau_metric: 'acc'"), "set test_iter"));
  EXPECT_TRUE(Contains(Error(text + "plateau_metric: 'acc' test_iter: 1 test_interval: 2"),
                       "'acc' is not an output of a test net; the outputs are: loss"));
}

TEST_F(UpdateTest, ForkFieldsThatChangeNothingAreWarnings) {
  LogCapture log;
  EXPECT_EQ(Error("solver_data_type: FLOAT16 store_blobs_in_old_format: false"), "");
  EXPECT_EQ(log.With("solver_data_type: FLOAT16 is treated as FLOAT").size(), 1u);
  EXPECT_EQ(log.With("store_blobs_in_old_format: false is treated as true").size(), 1u);
}

TEST_F(UpdateTest, ForkFieldErrors) {
  EXPECT_TRUE(Contains(Error("solver_data_type: DOUBLE"), "DOUBLE"));
  EXPECT_TRUE(Contains(Error("eval_type: 'segmentation'"), "'segmentation'"));
  EXPECT_TRUE(Contains(Error("ap_version: '12point'"), "'12point'"));
  EXPECT_TRUE(Contains(Error("ema_decay: 1"), "ema_decay is 1"));
  EXPECT_TRUE(Contains(Error("larc: true larc_policy: 'x'"), "larc_policy"));
}

// w - rate * g with the rate of LARC: one step, compared with a step at a tenth of the rate.
TEST_F(UpdateTest, LarcClipsRates) {
  const std::string text = "momentum: 0 base_lr: 0.5 ";
  const auto start = Make(text), plain = Make(text),
             larc = Make(text +
                         "larc: true larc_eta: 1000 "
                         "larc_policy: 'clip'");
  plain->Step(1);
  larc->Step(1);
  EXPECT_EQ(WeightsOf(*larc), WeightsOf(*plain));  // never above the rate
  const auto small = Make(text + "larc: true larc_eta: 0.001 larc_policy: 'clip'");
  small->Step(1);
  const std::vector<double> w0 = WeightsOf(*start), w1 = WeightsOf(*small);
  double moved = 0, size = 0;
  for (int i = 0; i < 6; ++i) {
    moved += (w1[i] - w0[i]) * (w1[i] - w0[i]);
    size += w0[i] * w0[i];
  }
  EXPECT_NEAR(std::sqrt(moved / size), 0.001, 1e-9);  // eta * |w| is the length of the step
}

TEST_F(UpdateTest, TestsAtAnOffset) {
  const auto tests = [&](const std::string& more) {
    LogCapture log;
    MakeTrainer(Solver("test_iter: 1 test_interval: 4 " + more))->Train();
    std::vector<std::string> found;
    for (const std::string& line : log.With("Testing net")) found.push_back(line.substr(10, 2));
    return found;
  };
  EXPECT_EQ(tests("test_offset: 2"), (std::vector<std::string>{"2,", "6,", "10"}));
  EXPECT_EQ(tests("test_offset: 5"), (std::vector<std::string>{"1,", "5,", "9,"}));
}

// Rows made of numbers: two objects of class 1, one of which is found.
TEST_F(UpdateTest, ReportsTheMeanAveragePrecision) {
  const std::vector<double> rows = {-1, 1, 2, -1, -1, 0, 1, 0.9, 1, 0};
  std::string tops, shapes, bottoms[2];
  for (size_t i = 0; i < rows.size(); ++i) {
    tops += Concat(" top: 'n", i, "'");
    shapes += Concat(
        " shape { dim: 1 dim: 1 dim: 1 dim: 1 } data_filler { type: 'constant' value: ", rows[i],
        " }");
    bottoms[i / 5] += Concat(" bottom: 'n", i, "'");
  }
  const auto join = [](const std::string& name, const std::string& from, int axis) {
    return Concat("layer { name: '", name, "' type: 'Concat' top: '", name, "'", from,
                  " concat_param { axis: ", axis, " } } ");
  };
  LogCapture log;
  const auto trainer =
      MakeTrainer(Solver("test_net_param { layer { name: 'd' type: 'DummyData'" + tops +
                         " dummy_data_param {" + shapes + " } } " + join("a", bottoms[0], 3) +
                         join("b", bottoms[1], 3) + join("map", " bottom: 'a' bottom: 'b'", 2) +
                         "} test_iter: 3 test_interval: 5 "
                         "eval_type: 'detection' show_per_class_result: true"));
  ASSERT_EQ(trainer->Test(0).size(), 1u);
  EXPECT_EQ(log.With("class1: 0.5").size(), 1u);
  EXPECT_EQ(log.With("Test net output #0: map = 0.5").size(), 1u);
}

// Those who measure update without the rest of an iteration.
TEST_F(UpdateTest, AppliesTheRateOfItsIteration) {
  const std::string policy = "lr_policy: 'step' stepsize: 1 gamma: 0.5 momentum: 0 weight_decay: 0";
  const auto twin = Make(policy);
  const auto trainer = Make(policy);
  const std::vector<double> before = WeightsOf(*twin);
  twin->Step(2);
  for (int i = 0; i < 2; ++i) {
    trainer->net().ClearGradients();
    trainer->net().Forward(i);
    trainer->net().Backward();
    trainer->ApplyUpdate();
  }
  EXPECT_NE(WeightsOf(*twin), before);
  EXPECT_EQ(WeightsOf(*trainer), WeightsOf(*twin));
}

}  // namespace
}  // namespace crema
