// A run that is stopped and resumed ends, bit for bit, where an uninterrupted one does.

#include "train/train_test_util.h"

namespace crema {
namespace {

// Everything that keeps state or draws random numbers: shuffled, cropped and mirrored records,
// BatchNorm, dropout. 29 records in batches of 4 end within a batch.
std::string EverythingNet(const std::string& folder) {
  return R"(net_param {
    name: "everything"
    layer { name: "train_data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
      transform_param { crop_size: 6 mirror: true scale: 0.00390625 mean_value: 100 }
      data_param { source: ")" +
         folder + R"(/train_lmdb" batch_size: 4 backend: LMDB
        shuffle: true } }
    layer { name: "test_data" type: "Data" top: "data" top: "label" include { phase: TEST }
      transform_param { crop_size: 6 scale: 0.00390625 mean_value: 100 }
      data_param { source: ")" +
         folder + R"(/test_lmdb" batch_size: 3 backend: LMDB } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
      convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "msra" } } }
    layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
    layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
    layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
    layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv"
      dropout_param { dropout_ratio: 0.3 } }
    layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
      include { phase: TEST } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
  } )";
}

std::string EverythingSolver() {
  return "base_lr: 0.02 momentum: 0.9 weight_decay: 0.001 clip_gradients: 3 lr_policy: 'multistep' "
         "gamma: 0.5 stepvalue: 60 stepvalue: 140 iter_size: 2 average_loss: 10 display: 7 "
         "test_interval: 40 test_iter: 2 test_compute_loss: true ";
}

class ResumeTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder().string();
    MakeImages(folder_ + "/train_lmdb", 29, 2, 8, 3);
    MakeImages(folder_ + "/test_lmdb", 10, 2, 8, 3);
  }

  proto::SolverParameter Solver(const std::string& prefix, const std::string& more) const {
    return ParseSolver(EverythingNet(folder_) + EverythingSolver() + "snapshot_prefix: '" +
                       folder_ + "/" + prefix + "' " + more);
  }

  // `changes` may give again what EverythingSolver gives.
  proto::SolverParameter Changed(const std::string& prefix, const std::string& changes) const {
    return ParseSolver(EverythingNet(folder_) + EverythingSolver() + "snapshot_prefix: '" +
                           folder_ + "/" + prefix + "'",
                       changes);
  }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  // Trains until `iteration`, then is told to stop as a signal would tell it.
  void TrainUntil(int64_t iteration, const proto::SolverParameter& solver,
                  const std::string& resume_from, DType dtype = DType::kFloat32) const {
    Trainer* running = nullptr;
    const auto trainer = MakeTrainer(
        solver, resume_from,
        [&] { return running->iteration() == iteration ? Action::kStop : Action::kNone; }, dtype);
    running = trainer.get();
    EXPECT_FALSE(trainer->Train());
    EXPECT_EQ(trainer->iteration(), iteration);
  }

  std::string folder_;
};

// States are equal but for the name of the weights file.
void ExpectSameState(const std::string& a, const std::string& b) {
  proto::SolverState first = ReadState(a), second = ReadState(b);
  first.clear_learned_net();
  second.clear_learned_net();
  EXPECT_GT(first.history_size(), 0);
  EXPECT_TRUE(first.SerializeAsString() == second.SerializeAsString()) << a << ", " << b;
}

void ExpectSameFiles(const std::string& a, const std::string& b) {
  EXPECT_FALSE(ReadTestFile(a + ".caffemodel").empty());
  EXPECT_TRUE(ReadTestFile(a + ".caffemodel") == ReadTestFile(b + ".caffemodel")) << a << ", " << b;
  ExpectSameState(a + ".solverstate", b + ".solverstate");
}

TEST_F(ResumeTest, EndsWhereAnUninterruptedRunEnds) {
  LogCapture whole;
  ASSERT_TRUE(MakeTrainer(Solver("whole", "max_iter: 200 random_seed: 7"))->Train());
  const auto expected = whole.ResultsFrom(100);
  TrainUntil(100, Solver("parts", "max_iter: 200 random_seed: 7"), "");
  LogCapture resumed;
  ASSERT_TRUE(MakeTrainer(Solver("parts", "max_iter: 200 random_seed: 7"),
                          Path("parts_iter_100.solverstate"))
                  ->Train());
  ExpectSameFiles(Path("whole_iter_200"), Path("parts_iter_200"));
  EXPECT_EQ(resumed.ResultsFrom(100), expected);
  EXPECT_GT(expected.size(), 40u);  // 14 displays of 3 lines, 3 tests of 3
}

// Stops within an epoch, within the window of average_loss, and where a test is due.
TEST_F(ResumeTest, EndsThereAfterManyStops) {
  ASSERT_TRUE(MakeTrainer(Solver("whole", "max_iter: 45 random_seed: 7"))->Train());
  const proto::SolverParameter solver = Solver("parts", "max_iter: 45 random_seed: 7");
  std::string state;
  for (int stop : {3, 4, 40}) {
    TrainUntil(stop, solver, state);
    state = Path(Concat("parts_iter_", stop, ".solverstate"));
  }
  ASSERT_TRUE(MakeTrainer(solver, state)->Train());
  ExpectSameFiles(Path("whole_iter_45"), Path("parts_iter_45"));
}

TEST_F(ResumeTest, IsExactInDoubleToo) {
  const proto::SolverParameter solver = Solver("parts", "max_iter: 20 random_seed: 7");
  ASSERT_TRUE(
      MakeTrainer(Solver("whole", "max_iter: 20 random_seed: 7"), "", nullptr, DType::kFloat64)
          ->Train());
  TrainUntil(11, solver, "", DType::kFloat64);
  ASSERT_TRUE(
      MakeTrainer(solver, Path("parts_iter_11.solverstate"), nullptr, DType::kFloat64)->Train());
  ExpectSameFiles(Path("whole_iter_20"), Path("parts_iter_20"));
}

// How long depends on the machine; that it is told at each display does not.
TEST_F(ResumeTest, TellsWhatShareOfTheTimeDataTook) {
  LogCapture log;
  ASSERT_TRUE(MakeTrainer(Solver("told", "max_iter: 20 random_seed: 7"))->Train());
  const std::vector<std::string> lines = log.With("    Waited for data: ");
  EXPECT_EQ(lines.size(), 3u);
  for (const std::string& line : lines) {
    EXPECT_NE(line.find(" % of the time"), std::string::npos) << line;
  }
}

TEST_F(ResumeTest, IsExactInHdf5Too) {
  const std::string more = "max_iter: 30 random_seed: 7 ";
  ASSERT_TRUE(MakeTrainer(Solver("whole", more))->Train());
  TrainUntil(11, Solver("parts", more + "snapshot_format: HDF5"), "");
  ASSERT_TRUE(MakeTrainer(Solver("parts", more), Path("parts_iter_11.solverstate.h5"))->Train());
  ExpectSameFiles(Path("whole_iter_30"), Path("parts_iter_30"));
}

// Each rule's histories are kept.
TEST_F(ResumeTest, IsExactWithEverySolver) {
  for (const char* type : {"Nesterov", "AdaDelta", "Adam"}) {
    const std::string more = Concat("max_iter: 12 random_seed: 7 type: '", type, "'");
    ASSERT_TRUE(MakeTrainer(Solver(Concat("whole", type), more))->Train());
    TrainUntil(5, Solver(Concat("parts", type), more), "");
    ASSERT_TRUE(MakeTrainer(Solver(Concat("parts", type), more),
                            Path(Concat("parts", type, "_iter_5.solverstate")))
                    ->Train());
    ExpectSameFiles(Path(Concat("whole", type, "_iter_12")),
                    Path(Concat("parts", type, "_iter_12")));
  }
}

// What Caffe's states have no place for: averages, the state of the plateau, LARC's means.
TEST_F(ResumeTest, IsExactBeyondCaffe) {
  const std::string cases[] = {
      "type: 'AdamW' ema_decay: 0.9", "ema_decay: 0.9 larc: true larc_turbo: true larc_eta: 0.5",
      "lr_policy: 'plateau' plateau_winsize: 3 plateau_winsize: 4 plateau_winsize: 2",
      "lr_policy: 'plateau' plateau_winsize: 6 plateau_winsize: 6 plateau_metric: 'accuracy' "
      "test_interval: 4",
      "type: 'Nesterov' lr_policy: 'onecycle' max_lr: 0.1 stepsize: 4 momentum_policy: 'cycle' "
      "test_offset: 3 test_interval: 5"};
  int number = 0;
  for (const std::string& text : cases) {
    for (const char* format : {"BINARYPROTO", "HDF5"}) {
      SCOPED_TRACE(text + format);
      const std::string more = "max_iter: 17 random_seed: 7 display: 1 " + text;
      const std::string whole = Concat("whole", ++number), parts = Concat("parts", number);
      std::vector<std::string> expected;
      {
        LogCapture straight;
        ASSERT_TRUE(MakeTrainer(Changed(whole, more))->Train());
        expected = straight.ResultsFrom(9);
      }
      TrainUntil(9, Changed(parts, Concat(more, " snapshot_format: ", format)), "");
      const std::string end = std::string(format) == "HDF5" ? ".solverstate.h5" : ".solverstate";
      LogCapture resumed;
      ASSERT_TRUE(MakeTrainer(Changed(parts, more), Path(parts + "_iter_9" + end))->Train());
      ExpectSameFiles(Path(whole + "_iter_17"), Path(parts + "_iter_17"));
      EXPECT_EQ(resumed.ResultsFrom(9), expected);
    }
  }
}

// Without random_seed the drawn seed comes back from the state.
TEST_F(ResumeTest, KeepsTheSeedThatWasDrawn) {
  const proto::SolverParameter solver = Solver("drawn", "max_iter: 40");
  LogCapture log;
  const auto trainer = MakeTrainer(solver);
  ASSERT_EQ(log.With("Random seed: ").size(), 1u);
  ASSERT_TRUE(trainer->Step(15));
  trainer->Snapshot();
  const uint64_t seed = ReadState(Path("drawn_iter_15.solverstate")).progress().random_seed();
  EXPECT_TRUE(Contains(log.With("Random seed: ")[0], Concat("Random seed: ", seed, " ")));
  ASSERT_TRUE(trainer->Step(15));
  const auto resumed = MakeTrainer(solver, Path("drawn_iter_15.solverstate"));
  ASSERT_TRUE(resumed->Step(15));
  EXPECT_EQ(WeightsOf(*resumed), WeightsOf(*trainer));
  EXPECT_NE(WeightsOf(*MakeTrainer(solver)), WeightsOf(*MakeTrainer(solver)));  // drawn anew
}

TEST_F(ResumeTest, WarnsWhereAnotherSeedIsGiven) {
  TrainUntil(3, Solver("a", "max_iter: 9 random_seed: 7"), "");
  LogCapture log;
  const auto trainer =
      MakeTrainer(Solver("a", "max_iter: 9 random_seed: 8"), Path("a_iter_3.solverstate"));
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_TRUE(Contains(log.warnings()[0], "random_seed is 8"));
  EXPECT_TRUE(Contains(log.warnings()[0], "started with 7, which stays in use"));
}

// As Caffe's states are, which know nothing of the data.
TEST_F(ResumeTest, TakesStatesWithoutProgress) {
  const proto::SolverParameter solver = Solver("a", "max_iter: 9 random_seed: 7");
  TrainUntil(3, solver, "");
  proto::SolverState state = ReadState(Path("a_iter_3.solverstate"));
  state.clear_progress();
  WriteState(Path("caffe.solverstate"), state);
  LogCapture log;
  const auto trainer = MakeTrainer(solver, Path("caffe.solverstate"));
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_TRUE(Contains(log.warnings()[0], "does not record the position in the data"));
  EXPECT_EQ(trainer->iteration(), 3);
  const auto start = std::vector<std::pair<std::string, uint64_t>>{{"train_data", 0}};
  EXPECT_EQ(trainer->net().DataPositions(), start);
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(trainer->iteration(), 9);
}

TEST_F(ResumeTest, NotesWhereTheDataIs) {
  TrainUntil(3, Solver("a", "max_iter: 9 random_seed: 7"), "");
  const proto::SolverProgress progress = ReadState(Path("a_iter_3.solverstate")).progress();
  ASSERT_EQ(progress.data_layer_size(), 1);
  EXPECT_EQ(progress.data_layer(0), "train_data");
  EXPECT_EQ(progress.data_position(0), 3u * 2 * 4);  // iterations, iter_size, batch_size
  EXPECT_EQ(progress.recent_losses_size(), 3);
  EXPECT_EQ(progress.random_seed(), 7u);
}

// Large enough that every kernel and product uses all threads. Of our own code: oneDNN cuts sums by
// the number of threads.
std::vector<double> TrainWithThreads(const std::string& folder, int threads) {
  TrainOptions options;
  options.threads = threads;
  const auto trainer = std::make_unique<Trainer>(ParseSolver(R"(net_param { engine: "CAFFE"
    layer { name: "data" type: "Data" top: "data" top: "label"
      transform_param { crop_size: 21 mirror: true scale: 0.01 }
      data_param { source: ")" + folder + R"(/images" batch_size: 10 backend: LMDB shuffle: true } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param { num_output: 33 kernel_size: 5 weight_filler { type: "xavier" } } }
    layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
    layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
    layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" }
    layer { name: "max" type: "Pooling" bottom: "norm" top: "max"
      pooling_param { kernel_size: 3 stride: 2 } }
    layer { name: "ave" type: "Pooling" bottom: "norm" top: "ave"
      pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
    layer { name: "sum" type: "Eltwise" bottom: "max" bottom: "ave" top: "sum" }
    layer { name: "drop" type: "Dropout" bottom: "sum" top: "sum" }
    layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc"
      inner_product_param { num_output: 300 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
  } base_lr: 0.05 momentum: 0.9 lr_policy: "fixed" clip_gradients: 1 random_seed: 3
    snapshot_after_train: false)"),
                                                 options);
  trainer->Step(4);
  return WeightsOf(*trainer);
}

TEST(Threads, DoNotChangeTheWeights) {
  const std::string folder = TestFolder().string();
  MakeImages(folder + "/images", 12, 3, 24, 5);
  const std::vector<double> one = TrainWithThreads(folder, 1);
  EXPECT_TRUE(TrainWithThreads(folder, 2) == one);
  EXPECT_TRUE(TrainWithThreads(folder, 3) == one);
  EXPECT_TRUE(TrainWithThreads(folder, 4) == one);
}

}  // namespace
}  // namespace crema
