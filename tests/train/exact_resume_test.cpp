// Stopped and resumed anywhere, training ends bit for bit where it would have ended: with each kind
// of data source, each solver, several test nets, and whatever snapshots are kept.
#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "schema/hdf5_io.h"
#include "tools/tool_process.h"
#include "train/snapshot_files.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

using Names = std::vector<std::string>;

class ExactResumeTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    MakeImages(Path("train_lmdb"), 29, 3, 8, 3);
    MakeImages(Path("test_lmdb"), 10, 3, 8, 3);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  // 17 images of 8 x 8 pixels, with their list and windows in them.
  void WriteImages() const {
    std::string list, windows;
    for (int i = 0; i < 17; ++i) {
      cv::Mat image(8, 8, CV_8UC3);
      for (int p = 0; p < 192; ++p)
        image.data[p] = static_cast<uint8_t>((i * 37 + p * p * 7) % 251);
      const std::string name = Concat("image", i, ".png");
      cv::imwrite(Path(name), image);
      list += Concat(name, " ", i % 3, "\n");
      windows += Concat("# ", i, "\n", name, "\n3\n8\n8\n2\n", 1 + i % 2, " 0.9 0 ", i % 3,
                        " 5 7\n", "0 0.1 2 1 7 6\n");
    }
    WriteTestFile(folder_ / "list.txt", list);
    WriteTestFile(folder_ / "windows.txt", windows);
  }
  void WriteHdf5() const {
    std::string list;
    for (int f = 0; f < 3; ++f) {
      const int rows = 5 + f;
      std::vector<float> data, label;
      for (int i = 0; i < rows; ++i) {
        for (int p = 0; p < 108; ++p)
          data.push_back(static_cast<float>((i * 31 + p * (7 + f)) % 50) / 50);
        label.push_back(static_cast<float>(i % 3));
      }
      Hdf5File file = Hdf5File::CreateInMemory("rows");
      file.Write("data", {rows, 3, 6, 6}, data.data());
      file.Write("label", {rows}, label.data());
      WriteTestFile(folder_ / Concat("rows", f, ".h5"), file.Bytes());
      list += Path(Concat("rows", f, ".h5")) + "\n";
    }
    WriteTestFile(folder_ / "hdf5.txt", list);
  }

  // The train net's source; two test nets read the LMDB, one of them with dropout's random numbers
  // made visible by a loss on random data.
  std::string Net(const std::string& source) const {
    return "net_param { name: 'exact' layer { name: 'train' top: 'data' top: 'label' "
           "include { phase: TRAIN } " +
           source +
           " } "
           "layer { name: 'test' type: 'Data' top: 'data' top: 'label' include { phase: TEST } "
           "transform_param { crop_size: 6 scale: 0.01 } data_param { source: '" +
           Path("test_lmdb") +
           "' batch_size: 3 backend: LMDB } } "
           "layer { name: 'noise' type: 'DummyData' top: 'noise' include { phase: TEST "
           "stage: 'noisy' } dummy_data_param { shape { dim: 1 } data_filler { type: 'gaussian' } "
           "} } "
           R"(
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "msra" } } }
    layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
    layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
    layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
      pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 } }
    layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
    layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
      include { phase: TEST } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
  } )";
  }
  proto::SolverParameter Solver(const std::string& source, const std::string& prefix,
                                const std::string& more) const {
    return ParseSolver(
        Net(source) +
            "base_lr: 0.01 lr_policy: 'step' gamma: 0.7 stepsize: 6 iter_size: 2 "
            "average_loss: 4 display: 3 test_interval: 4 test_iter: 2 test_iter: 1 "
            "test_state {} test_state { stage: 'noisy' } max_iter: 20 random_seed: 7 "
            "snapshot_keep: 2 snapshot_best: 'accuracy' snapshot_prefix: '" +
            Path(prefix) + "' ",
        more);
  }

  // Trains without a break, then with stops after `stops`; both have to end, and to have logged,
  // the same.
  void ExpectExact(const std::string& source, const std::vector<int>& stops,
                   const std::string& more = "momentum: 0.9") const {
    LogCapture whole_log;
    ASSERT_TRUE(MakeTrainer(Solver(source, "whole", more))->Train());
    const Names expected = whole_log.ResultsFrom(stops.back());
    const proto::SolverParameter solver = Solver(source, "parts", more);
    for (int stop : stops) {
      Trainer* running = nullptr;
      const auto trainer = MakeTrainer(solver, FindNewestSnapshot(Path("parts")), [&] {
        return running->iteration() == stop ? Action::kStop : Action::kNone;
      });
      running = trainer.get();
      ASSERT_FALSE(trainer->Train());
    }
    LogCapture log;
    ASSERT_TRUE(MakeTrainer(solver, FindNewestSnapshot(Path("parts")))->Train());
    EXPECT_EQ(log.ResultsFrom(stops.back()), expected);
    EXPECT_FALSE(expected.empty());
    EXPECT_TRUE(ReadTestFile(Path("whole_iter_20.caffemodel")) ==
                ReadTestFile(Path("parts_iter_20.caffemodel")));
    EXPECT_EQ(StateOf("whole"), StateOf("parts"));
  }
  // Without what differs between the two runs by intent: names, and which snapshots there are.
  std::string StateOf(const std::string& prefix) const {
    proto::SolverState state = ReadState(Path(prefix + "_iter_20.solverstate"));
    EXPECT_GT(state.history_size(), 0);
    EXPECT_TRUE(state.progress().has_best_value());
    state.clear_learned_net();
    state.mutable_progress()->clear_kept_snapshot();
    state.mutable_progress()->clear_state_checksum();
    return state.ShortDebugString();
  }
  proto::SolverParameter RecurrentSolver(const std::string& prefix) const {
    return ParseSolver(R"(net_param {
      layer { name: "data" type: "DummyData" top: "x" top: "cont" top: "target"
        dummy_data_param { shape { dim: 3 dim: 2 dim: 4 } shape { dim: 3 dim: 2 }
          shape { dim: 3 dim: 2 dim: 5 } data_filler { type: "gaussian" }
          data_filler { value: 1 } data_filler { type: "uniform" } } }
      layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h"
        recurrent_param { num_output: 5 weight_filler { type: "uniform" min: -1 } } }
      layer { name: "rnn" type: "RNN" bottom: "h" bottom: "cont" top: "y"
        recurrent_param { num_output: 5 weight_filler { type: "uniform" min: -1 } } }
      layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "target" top: "loss" } }
      base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 12 random_seed: 3 display: 1
      test_iter: 2 test_interval: 3 snapshot_prefix: ')" +
                       Path(prefix) + "'");
  }
  // Interrupted before any layer, at any moment of an iteration or a test, training goes on as if
  // nothing had happened, in the same trainer and from its snapshot.
  template <class MakeSolver>
  void ExpectExactIfInterrupted(const MakeSolver& solver, int stride) const {
    std::vector<Names> expected;  // by iteration
    const auto undisturbed = MakeTrainer(solver("whole"));
    {
      LogCapture whole;
      ASSERT_TRUE(undisturbed->Train());
      for (int64_t i = 0; i <= undisturbed->iteration(); ++i) {
        expected.push_back(whole.ResultsFrom(i));
      }
    }
    int interruptions = 0;
    for (int moment = 1;; moment += stride) {
      SCOPED_TRACE(moment);
      const std::string prefix = Concat("cut", moment);
      int asked = 0;
      TrainOptions options;
      options.interrupt = [&] { return ++asked == moment; };
      Trainer trainer(solver(prefix), options);
      if (trainer.Train()) break;  // it is not asked so often
      ++interruptions;
      LogCapture resumed;
      const auto second =
          MakeTrainer(solver(prefix), FindNewestSnapshot(solver(prefix).snapshot_prefix()));
      EXPECT_EQ(second->iteration(), trainer.iteration());
      const int64_t from = trainer.iteration();
      ASSERT_TRUE(second->Train());
      EXPECT_EQ(resumed.ResultsFrom(from), expected[static_cast<size_t>(from)]);
      EXPECT_EQ(WeightsOf(*second), WeightsOf(*undisturbed));
      if (from + 1 == static_cast<int64_t>(expected.size())) continue;  // in the last look
      LogCapture continued;
      ASSERT_TRUE(trainer.Train());
      EXPECT_EQ(continued.ResultsFrom(from), expected[static_cast<size_t>(from)]);
      EXPECT_EQ(WeightsOf(trainer), WeightsOf(*undisturbed));
    }
    EXPECT_GT(interruptions, 10);
  }
  std::string LmdbSource() const {
    return "type: 'Data' transform_param { crop_size: 6 mirror: true scale: 0.01 } data_param { "
           "source: '" +
           Path("train_lmdb") + "' batch_size: 4 backend: LMDB shuffle: true }";
  }

  std::filesystem::path folder_;
};

TEST_F(ExactResumeTest, WithADatabase) { ExpectExact(LmdbSource(), {3, 4, 13}); }

TEST_F(ExactResumeTest, WithImages) {
  WriteImages();
  ExpectExact(
      "type: 'ImageData' transform_param { crop_size: 6 mirror: true scale: 0.01 } "
      "image_data_param { source: '" +
          Path("list.txt") + "' root_folder: '" + folder_.string() +
          "/' batch_size: 3 shuffle: true }",
      {1, 8, 11});
}

TEST_F(ExactResumeTest, WithWindows) {
  WriteImages();
  ExpectExact(
      "type: 'WindowData' transform_param { crop_size: 6 mirror: true scale: 0.01 } "
      "window_data_param { source: '" +
          Path("windows.txt") + "' root_folder: '" + folder_.string() +
          "/' batch_size: 4 fg_fraction: 0.5 }",
      {5, 12, 19});
}

TEST_F(ExactResumeTest, WithHdf5) {
  WriteHdf5();
  ExpectExact("type: 'HDF5Data' hdf5_data_param { source: '" + Path("hdf5.txt") +
                  "' batch_size: 4 shuffle: true }",
              {2, 7, 16});
}

TEST_F(ExactResumeTest, WithEverySolver) {
  for (const std::string more :
       {"type: 'SGD' momentum: 0.9 clip_gradients: 1 regularization_type: 'L1' weight_decay: 0.01",
        "type: 'Nesterov' momentum: 0.9", "type: 'AdaGrad'", "type: 'RMSProp' rms_decay: 0.9",
        "type: 'AdaDelta' momentum: 0.95", "type: 'Adam' momentum: 0.9"}) {
    SCOPED_TRACE(more);
    SetUp();
    ExpectExact(LmdbSource(), {7, 9}, more + " test_interval: 10");
  }
}

// LSTM begins each batch where the one before ended; so does the test net's.
TEST_F(ExactResumeTest, WithStatesThatAreCarriedOver) {
  const auto solver = [&](const std::string& prefix) { return RecurrentSolver(prefix); };
  LogCapture whole;
  ASSERT_TRUE(MakeTrainer(solver("whole"))->Train());
  const Names expected = whole.ResultsFrom(5);
  const auto first = MakeTrainer(solver("parts"));
  ASSERT_TRUE(first->Step(5));
  first->Snapshot();
  LogCapture resumed;
  ASSERT_TRUE(MakeTrainer(solver("parts"), Path("parts_iter_5.solverstate"))->Train());
  EXPECT_EQ(resumed.ResultsFrom(5), expected);
  EXPECT_TRUE(ReadTestFile(Path("whole_iter_12.caffemodel")) ==
              ReadTestFile(Path("parts_iter_12.caffemodel")));
  proto::SolverState state = ReadState(Path("parts_iter_5.solverstate"));
  EXPECT_EQ(state.progress().carried_layer_size(), 6);  // c and h, h; twice
  state.mutable_progress()->mutable_carried_value(0)->mutable_shape()->set_dim(1, 1);
  state.mutable_progress()->mutable_carried_value(0)->mutable_data()->Truncate(5);
  WriteState(Path("other.solverstate"), state);
  const std::string error = ErrorOf([&] { MakeTrainer(solver("x"), Path("other.solverstate")); });
  EXPECT_TRUE(Contains(error, "layer 'lstm' has 10 state values, but 5 were saved")) << error;
}

TEST_F(ExactResumeTest, InterruptedBeforeAnyLayer) {
  const auto solver = [&](const std::string& prefix) {
    return Solver(LmdbSource(), prefix, "momentum: 0.9 max_iter: 8 display: 1 ema_decay: 0.9");
  };
  ExpectExactIfInterrupted(solver, 23);
}

TEST_F(ExactResumeTest, InterruptedWithStatesThatAreCarriedOver) {
  const auto solver = [&](const std::string& prefix) { return RecurrentSolver(prefix); };
  ExpectExactIfInterrupted(solver, 7);
}

TEST_F(ExactResumeTest, InterruptedWithFiles) {
  WriteImages();
  WriteHdf5();
  for (const std::string& source :
       {"type: 'ImageData' transform_param { crop_size: 6 mirror: true } image_data_param { "
        "source: '" +
            Path("list.txt") + "' root_folder: '" + folder_.string() +
            "/' batch_size: 3 shuffle: true }",
        "type: 'HDF5Data' hdf5_data_param { source: '" + Path("hdf5.txt") +
            "' batch_size: 4 shuffle: true }"}) {
    const auto solver = [&](const std::string& prefix) {
      return Solver(source, prefix + source.substr(7, 4), "momentum: 0.9 max_iter: 4 display: 1");
    };
    ExpectExactIfInterrupted(solver, 17);
  }
}

// A snapshot in the middle of a test is one of the moment before it.
TEST_F(ExactResumeTest, SavedInATest) {
  LogCapture whole;
  ASSERT_TRUE(MakeTrainer(RecurrentSolver("whole"))->Train());
  const Names expected = whole.ResultsFrom(3);
  for (int polls : {6, 7}) {  // before the batches of the test of iteration 3
    int asked = 0;
    const std::string prefix = Concat("saved", polls);
    ASSERT_TRUE(MakeTrainer(RecurrentSolver(prefix), "", [&] {
                  return ++asked == polls ? Action::kSnapshot : Action::kNone;
                })->Train());
    LogCapture log;
    ASSERT_TRUE(
        MakeTrainer(RecurrentSolver(prefix), Path(prefix + "_iter_3.solverstate"))->Train());
    EXPECT_EQ(log.ResultsFrom(3), expected) << polls;
  }
}

// A program may go on after an error in a test, here one of its own.
TEST_F(ExactResumeTest, GoesOnAfterATestThatFailed) {
  LogCapture whole;
  ASSERT_TRUE(MakeTrainer(RecurrentSolver("whole"))->Train());
  const Names expected = whole.ResultsFrom(3);
  int asked = 0;
  const auto trainer = MakeTrainer(RecurrentSolver("failed"), "", [&] {
    if (++asked == 7) Fail("no");  // within the test of iteration 3
    return Action::kNone;
  });
  EXPECT_THROW(trainer->Train(), Error);
  LogCapture log;
  ASSERT_TRUE(trainer->Train());
  EXPECT_EQ(log.ResultsFrom(3), expected);
}

// The newest two, and the best one where it is older.
TEST_F(ExactResumeTest, KeepsTheNewestAndTheBest) {
  // The best accuracy of this run is reached in a test before the end.
  const std::string more = "momentum: 0.9 snapshot: 2 max_iter: 20 snapshot_best_is: LOWEST";
  LogCapture log;
  ASSERT_TRUE(MakeTrainer(Solver(LmdbSource(), "kept", more))->Train());
  // The last state knows the best of all tests before its own, and that stays, too.
  const proto::SolverProgress progress = ReadState(Path("kept_iter_20.solverstate")).progress();
  const int64_t best = progress.best_iteration();
  Names expected = {"kept_iter_18.caffemodel", "kept_iter_18.solverstate",
                    "kept_iter_20.caffemodel", "kept_iter_20.solverstate"};
  if (best < 18) {
    expected.push_back(Concat("kept_iter_", best, ".caffemodel"));
    expected.push_back(Concat("kept_iter_", best, ".solverstate"));
  }
  std::sort(expected.begin(), expected.end());
  Names found;
  for (const std::string& name : FilesIn(folder_)) {
    if (name.rfind("kept_", 0) == 0) found.push_back(name);
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(best % 4, 0);
  EXPECT_GT(best, 0);
  EXPECT_EQ(log.With(Concat("; the snapshot of iteration ", best, " is kept")).size(), 1u);
  const Names results = log.With("Test net output #0: accuracy = ");
  EXPECT_EQ(results.at(2 * best / 4), "    Test net output #0: accuracy = " +
                                          Concat(static_cast<float>(progress.best_value())));
}

// A snapshot of an earlier run of the same name is not this run's to remove.
TEST_F(ExactResumeTest, LeavesTheSnapshotsOfOthers) {
  WriteTestFile(folder_ / "kept_iter_1.caffemodel", "of another run");
  WriteTestFile(folder_ / "kept_iter_1.solverstate", "of another run");
  const std::string more = "momentum: 0.9 snapshot: 2 snapshot_keep: 1";
  ASSERT_TRUE(MakeTrainer(Solver(LmdbSource(), "kept", more))->Train());
  EXPECT_EQ(ReadTestFile(Path("kept_iter_1.solverstate")), "of another run");
}

TEST_F(ExactResumeTest, TheMetricHasToBeAnOutput) {
  const auto error = [&](const std::string& more) {
    return ErrorOf([&] { MakeTrainer(Solver(LmdbSource(), "x", more)); });
  };
  const std::string unknown = error("snapshot_best: 'acuracy'");
  EXPECT_TRUE(Contains(unknown, "snapshot_best is 'acuracy'")) << unknown;
  EXPECT_TRUE(Contains(unknown, "there are: accuracy, loss, noise")) << unknown;  // each once
  const std::string plateau =
      error("lr_policy: 'plateau' gamma: 0.5 plateau_winsize: 2 plateau_metric: 'acuracy'");
  EXPECT_TRUE(Contains(plateau, "the outputs are: accuracy, loss, noise")) << plateau;
  EXPECT_NE(error("snapshot_keep: -1"), "");
}

// The number of threads, of OpenMP and of BLAS, changes nothing, even from stop to stop. (oneDNN
// shares its work out differently for every number of threads.)
TEST_F(ExactResumeTest, WithAnyNumberOfThreads) {
  MakeImages(Path("large"), 12, 3, 24, 5);
  WriteTestFile(folder_ / "net.prototxt", R"(layer { name: "data" type: "Data" top: "data"
      top: "label" transform_param { crop_size: 21 mirror: true scale: 0.01 }
      data_param { source: "large" batch_size: 10 backend: LMDB shuffle: true } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param { num_output: 33 kernel_size: 5 weight_filler { type: "xavier" } } }
    layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
    layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
    layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
      pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 } }
    layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
    layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
      inner_product_param { num_output: 300 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" })");
  const auto train = [&](const std::string& prefix, int iterations, const char* threads) {
    WriteTestFile(folder_ / "solver.prototxt",
                  Concat("net: 'net.prototxt' base_lr: 0.01 momentum: 0.9 lr_policy: 'fixed' "
                         "clip_gradients: 5 random_seed: 3 solver_mode: CPU max_iter: ",
                         iterations, " snapshot_prefix: '", prefix, "'"));
    ToolOptions options{folder_.string()};
    options.environment = {Concat("OPENBLAS_NUM_THREADS=", threads)};
    const ToolResult result = RunTool({"train", "--solver=solver.prototxt", "--resume=auto",
                                       "--engine=CAFFE", Concat("--threads=", threads)},
                                      options);
    EXPECT_EQ(result.status, 0) << result.err;
    return ReadTestFile(Path(Concat(prefix, "_iter_", iterations, ".caffemodel")));
  };
  const std::string expected = train("one", 6, "1");
  EXPECT_FALSE(expected.empty());
  EXPECT_TRUE(train("two", 6, "2") == expected);
  EXPECT_TRUE(train("four", 6, "4") == expected);
  train("mixed", 2, "4");
  train("mixed", 4, "1");
  EXPECT_TRUE(train("mixed", 6, "2") == expected);
}

}  // namespace
}  // namespace crema
