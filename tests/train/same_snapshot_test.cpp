// A snapshot depends on its iteration alone: whenever, however often and for whatever reason it is
// taken, its files are the same, byte for byte.
#include "train/train_test_util.h"

namespace crema {
namespace {

// Statistics, random numbers, positions in data, states that are carried over.
std::string Net(const std::string& images) {
  return R"(net_param { name: "same"
    layer { name: "data" type: "Data" top: "data" top: "label"
      transform_param { crop_size: 6 mirror: true scale: 0.01 }
      data_param { source: ")" +
         images + R"(" batch_size: 4 backend: LMDB shuffle: true } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "msra" } } }
    layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
    layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
    layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
    layer { name: "cont" type: "DummyData" top: "cont"
      dummy_data_param { shape { dim: 4 dim: 1 } data_filler { value: 1 } } }
    layer { name: "steps" type: "Reshape" bottom: "conv" top: "steps"
      reshape_param { shape { dim: 4 dim: 1 dim: 48 } } }
    layer { name: "lstm" type: "LSTM" bottom: "steps" bottom: "cont" top: "h"
      recurrent_param { num_output: 5 weight_filler { type: "uniform" min: -1 } } }
    layer { name: "flat" type: "Reshape" bottom: "h" top: "flat"
      reshape_param { shape { dim: 4 dim: 5 } } }
    layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc"
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" } } )";
}

constexpr char kSolver[] =
    "base_lr: 0.01 momentum: 0.9 lr_policy: 'plateau' gamma: 0.5 plateau_winsize: 2 "
    "plateau_metric: 'loss' iter_size: 2 average_loss: 4 display: 3 test_interval: 3 test_iter: 2 "
    "max_iter: 6 "
    "random_seed: 7 snapshot_diff: true snapshot_best: 'loss' snapshot_keep: 2 ema_decay: 0.9 ";

class SameSnapshotTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    MakeImages((folder_ / "images").string(), 29, 2, 8, 3);
  }
  proto::SolverParameter Solver(const std::string& more = "") const {
    return ParseSolver(Net((folder_ / "images").string()) + kSolver,
                       "snapshot_prefix: '" + (folder_ / "p").string() +
                           "' snapshot_format: " + GetParam() + " " + more);
  }
  std::string Path(int iteration, const std::string& kind) const {
    const std::string end = std::string(GetParam()) == "HDF5" ? ".h5" : "";
    return (folder_ / Concat("p_iter_", iteration, kind, end)).string();
  }
  // Both files; then there are no snapshots any more.
  std::string Take(int iteration) const {
    const std::string files = ReadTestFile(Path(iteration, ".caffemodel")) +
                              ReadTestFile(Path(iteration, ".solverstate"));
    for (const std::string& name : FilesIn(folder_)) {
      if (name.rfind("p_iter_", 0) == 0) std::filesystem::remove(folder_ / name);
    }
    return files;
  }
  // Trains until the poll number `number` of an iteration, which asks for `action`.
  bool TrainUntilPoll(int64_t iteration, int number, Action action) const {
    Trainer* running = nullptr;
    int polls = 0;
    const auto trainer = MakeTrainer(Solver("snapshot_after_train: false"), "", [&] {
      const bool there = running->iteration() == iteration && ++polls == number;
      return there ? action : Action::kNone;
    });
    running = trainer.get();
    return trainer->Train();
  }
  // What a run without signals saves.
  std::string Undisturbed(int iteration) const {
    EXPECT_TRUE(MakeTrainer(Solver("snapshot: 3"))->Train());
    return Take(iteration);
  }

  std::filesystem::path folder_;
};

// Polls of an iteration: at the end of the one before, then before each batch of its test.
TEST_P(SameSnapshotTest, WhateverTheSignalInterrupts) {
  for (const int iteration : {3, 6}) {
    const std::string expected = Undisturbed(iteration);
    ASSERT_GT(expected.size(), 1000u);
    for (const int poll : {1, 2, 3}) {
      EXPECT_TRUE(TrainUntilPoll(iteration, poll, Action::kSnapshot));
      EXPECT_TRUE(Take(iteration) == expected) << iteration << ", poll " << poll;
    }
  }
}

// After the last display and the last test, and once more.
TEST_P(SameSnapshotTest, AfterTheEnd) {
  const std::string expected = Undisturbed(6);
  const auto trainer = MakeTrainer(Solver());
  ASSERT_TRUE(trainer->Train());
  EXPECT_TRUE(Take(6) == expected);
  trainer->Snapshot();
  trainer->Snapshot();
  EXPECT_TRUE(Take(6) == expected);
}

// What an iteration or a test has done by then is not in it: statistics, states, gradients.
TEST_P(SameSnapshotTest, IfAnIterationIsInterrupted) {
  const std::string expected = Undisturbed(3);
  int interruptions = 0;
  for (int moment = 1; moment < 200; moment += 7) {
    Trainer* running = nullptr;
    int asked = 0;
    TrainOptions options;
    options.interrupt = [&] {
      return running != nullptr && running->iteration() == 3 && ++asked == moment;
    };
    Trainer trainer(Solver(), options);
    running = &trainer;
    if (trainer.Train()) break;
    ++interruptions;
    EXPECT_TRUE(Take(3) == expected) << moment;
  }
  EXPECT_GT(interruptions, 5);
}

TEST_P(SameSnapshotTest, AfterAResume) {
  ASSERT_TRUE(TrainUntilPoll(3, 1, Action::kSnapshot));
  const std::string state = Path(3, ".solverstate");
  const std::string expected =
      ReadTestFile(Path(3, ".caffemodel")) + ReadTestFile(Path(3, ".solverstate"));
  const auto resumed = MakeTrainer(Solver(), state);
  resumed->Snapshot();
  EXPECT_TRUE(ReadTestFile(Path(3, ".caffemodel")) + ReadTestFile(state) == expected);
  ASSERT_TRUE(resumed->Train());
  const std::string last = Take(6);
  EXPECT_TRUE(last == Undisturbed(6));
}

// The last test shows the net that is saved, not one whose statistics have moved on.
TEST_P(SameSnapshotTest, TheLastTestIsOfTheSavedNet) {
  LogCapture log;
  ASSERT_TRUE(MakeTrainer(Solver())->Train());
  const std::string shown = log.With("Test net output").back();
  ASSERT_TRUE(MakeTrainer(Solver("display: 4"))->Train());  // no last look
  EXPECT_EQ(log.With("Test net output").back(), shown);
}

INSTANTIATE_TEST_SUITE_P(Formats, SameSnapshotTest, testing::Values("BINARYPROTO", "HDF5"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace crema
