// Snapshot files: what is written, that nothing is lost when writing fails, and what is read back.
#include "crema/base/error.h"
#include "schema/weights_io.h"
#include "train/train_test_util.h"
#include "util/file_size_limit.h"

namespace crema {
namespace {

class SnapshotTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  proto::SolverParameter Solver(const std::string& more = "") const {
    return ParseSolver(TinySolver(folder_), more);
  }
  // The sentence that resuming from `state` gives.
  std::string ResumeError(const std::string& state, const std::string& more = "") const {
    return ErrorOf([&] { MakeTrainer(Solver(more), state); });
  }

  std::filesystem::path folder_;
};

using Names = std::vector<std::string>;

TEST_F(SnapshotTest, WritesTheFilesThatCaffeWrites) {
  ASSERT_TRUE(MakeTrainer(Solver("snapshot: 4"))->Train());
  EXPECT_EQ(FilesIn(folder_), (Names{"tiny_iter_10.caffemodel", "tiny_iter_10.solverstate",
                                     "tiny_iter_4.caffemodel", "tiny_iter_4.solverstate",
                                     "tiny_iter_8.caffemodel", "tiny_iter_8.solverstate"}));
}

TEST_F(SnapshotTest, DoesNotWriteTheLastOneTwice) {
  LogCapture log;
  ASSERT_TRUE(MakeTrainer(Solver("snapshot: 5"))->Train());
  EXPECT_EQ(log.With("Snapshotting to binary proto file").size(), 2u);
}

TEST_F(SnapshotTest, SnapshotAfterTrainCanBeTurnedOff) {
  ASSERT_TRUE(MakeTrainer(Solver("snapshot: 4 snapshot_after_train: false"))->Train());
  EXPECT_EQ(FilesIn(folder_).size(), 4u);
  ASSERT_TRUE(MakeTrainer(Solver("snapshot_after_train: false"))->Train());
  EXPECT_EQ(FilesIn(folder_).size(), 4u);
}

TEST_F(SnapshotTest, HoldsTheWeightsAndTheHistory) {
  const auto trainer = MakeTrainer(Solver());
  ASSERT_TRUE(trainer->Train());
  proto::NetParameter net;
  ASSERT_TRUE(net.ParseFromString(ReadTestFile(Path("tiny_iter_10.caffemodel"))));
  EXPECT_EQ(net.name(), "tiny");
  const std::vector<SavedLayer> layers = ReadWeightsFile(Path("tiny_iter_10.caffemodel"));
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(layers[1].name, "fc");
  EXPECT_EQ(layers[1].type, "InnerProduct");
  ASSERT_EQ(layers[1].blobs.size(), 2u);
  EXPECT_EQ(layers[1].blobs[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(layers[1].blobs[0].data, trainer->net().param(0).data_tensor().ToHost<float>());
  EXPECT_EQ(layers[1].blobs[1].data, trainer->net().param(1).data_tensor().ToHost<float>());
  EXPECT_TRUE(layers[1].blobs[0].diff.empty());

  const proto::SolverState state = ReadState(Path("tiny_iter_10.solverstate"));
  EXPECT_EQ(state.iter(), 10);
  EXPECT_EQ(state.learned_net(), Path("tiny_iter_10.caffemodel"));
  ASSERT_EQ(state.history_size(), 2);
  EXPECT_EQ(state.history(0).data_size(), 6);
  EXPECT_EQ(state.history(0).shape().dim_size(), 2);
  EXPECT_EQ(state.history(1).data_size(), 2);
}

// One update from zero momentum: history = rate * gradient, and the weights move by it.
TEST_F(SnapshotTest, HistoryIsTheLastUpdate) {
  const auto trainer = MakeTrainer(Solver());
  const auto before = trainer->net().param(0).data_tensor().ToHost<float>();
  trainer->Step(1);
  trainer->Snapshot();
  const auto after = trainer->net().param(0).data_tensor().ToHost<float>();
  const proto::SolverState state = ReadState(Path("tiny_iter_1.solverstate"));
  float largest = 0;
  for (int i = 0; i < 6; ++i) {
    EXPECT_FLOAT_EQ(after[i], before[i] - state.history(0).data(i));
    largest = std::max(largest, std::abs(state.history(0).data(i)));
  }
  EXPECT_GT(largest, 0);
}

TEST_F(SnapshotTest, CountsTheStepsAsCaffeDoes) {
  const auto trainer = MakeTrainer(Solver("lr_policy: 'multistep' gamma: 0.5 stepvalue: 2"));
  trainer->Step(2);
  trainer->Snapshot();  // the rate of iteration 1 was used last: no step yet
  trainer->Step(1);
  trainer->Snapshot();
  EXPECT_EQ(ReadState(Path("tiny_iter_2.solverstate")).current_step(), 0);
  EXPECT_EQ(ReadState(Path("tiny_iter_3.solverstate")).current_step(), 1);
}

TEST_F(SnapshotTest, StoresGradientsOnDemand) {
  const auto trainer = MakeTrainer(Solver("snapshot_diff: true"));
  trainer->Step(1);
  trainer->Snapshot();
  const auto layers = ReadWeightsFile(Path("tiny_iter_1.caffemodel"));
  EXPECT_EQ(layers[1].blobs[0].diff, trainer->net().param(0).diff_tensor().ToHost<float>());
}

// Caffe stores the last update there, which depends on the rate.
TEST_F(SnapshotTest, StoresGradientsAndNotUpdates) {
  std::vector<float> stored;
  for (const char* rate : {"0.1", "0.2"}) {
    const auto trainer = MakeTrainer(Solver(std::string("snapshot_diff: true base_lr: ") + rate));
    trainer->Step(1);
    trainer->Snapshot();
    const auto layers = ReadWeightsFile(Path("tiny_iter_1.caffemodel"));
    if (stored.empty()) stored = layers[1].blobs[0].diff;
    EXPECT_EQ(layers[1].blobs[0].diff, stored);
  }
  EXPECT_NE(stored, std::vector<float>(stored.size()));
}

TEST_F(SnapshotTest, FolderIsCheckedBeforeTraining) {
  const auto error = [&](const std::string& prefix, const std::string& more = "") {
    return ErrorOf([&] { MakeTrainer(Solver("snapshot_prefix: '" + prefix + "' " + more)); });
  };
  const std::string missing = error(Path("no_folder/tiny"));
  EXPECT_TRUE(Contains(missing, Path("no_folder/"))) << missing;
  EXPECT_TRUE(Contains(missing, "No such file or directory")) << missing;
  EXPECT_TRUE(Contains(missing, "create the folder")) << missing;
  WriteTestFile(folder_ / "file", "x");
  const std::string file = error(Path("file/tiny"));
  EXPECT_TRUE(Contains(file, "Not a directory")) << file;
  EXPECT_NE(error("/proc/tiny"), "");  // where even a superuser cannot write
  EXPECT_NE(error(Path(std::string(300, 'x'))), "");
  EXPECT_TRUE(Contains(error("", "snapshot: 5"), "snapshot_prefix is missing"));
  EXPECT_EQ(error(Path("no_folder/tiny"), "snapshot_after_train: false"), "");
  EXPECT_EQ(error(Path("tiny")), "");
  EXPECT_EQ(FilesIn(folder_), Names{"file"});
}

TEST_F(SnapshotTest, AFullDiskLeavesOlderSnapshotsWhole) {
  const auto trainer = MakeTrainer(Solver());
  trainer->Step(4);
  trainer->Snapshot();
  const Names before = FilesIn(folder_);
  const std::string weights = ReadTestFile(Path("tiny_iter_4.caffemodel"));
  const std::string state = ReadTestFile(Path("tiny_iter_4.solverstate"));
  {
    const FileSizeLimit limit(32);
    const std::string again = ErrorOf([&] { trainer->Snapshot(); });  // over the same names
    EXPECT_TRUE(Contains(again, Path("tiny_iter_4.caffemodel") + ": cannot be written")) << again;
    EXPECT_TRUE(Contains(again, "File too large")) << again;
    trainer->Step(1);
    EXPECT_NE(ErrorOf([&] { trainer->Snapshot(); }), "");
  }
  EXPECT_EQ(FilesIn(folder_), before);
  EXPECT_TRUE(ReadTestFile(Path("tiny_iter_4.caffemodel")) == weights);
  EXPECT_TRUE(ReadTestFile(Path("tiny_iter_4.solverstate")) == state);
  trainer->Snapshot();  // there is room again
  EXPECT_EQ(FilesIn(folder_).size(), 4u);
}

// The weights fit on the disk, the state does not.
TEST_F(SnapshotTest, AFailedStateLeavesNoTrace) {
  const auto trainer = MakeTrainer(Solver("average_loss: 1000"));
  trainer->Step(500);
  trainer->Snapshot();
  const auto weights_size = std::filesystem::file_size(Path("tiny_iter_500.caffemodel"));
  ASSERT_GT(std::filesystem::file_size(Path("tiny_iter_500.solverstate")), weights_size + 100);
  trainer->Step(1);
  {
    const FileSizeLimit limit(weights_size + 100);
    const std::string error = ErrorOf([&] { trainer->Snapshot(); });
    EXPECT_TRUE(Contains(error, Path("tiny_iter_501.solverstate"))) << error;
  }
  EXPECT_EQ(FilesIn(folder_), (Names{"tiny_iter_500.caffemodel", "tiny_iter_500.solverstate"}));
}

TEST_F(SnapshotTest, AFolderThatIsGoneIsAnError) {
  std::filesystem::create_directory(folder_ / "sub");
  const auto trainer = MakeTrainer(Solver("snapshot_prefix: '" + Path("sub/tiny") + "'"));
  std::filesystem::remove(folder_ / "sub");
  const std::string error = ErrorOf([&] { trainer->Train(); });
  EXPECT_TRUE(Contains(error, Path("sub/tiny_iter_10.caffemodel"))) << error;
}

TEST_F(SnapshotTest, FindsTheWeightsBesideTheState) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  std::filesystem::create_directory(folder_ / "moved");
  for (const std::string name : {"tiny_iter_5.caffemodel", "tiny_iter_5.solverstate"}) {
    std::filesystem::rename(folder_ / name, folder_ / "moved" / name);
  }
  const auto trainer = MakeTrainer(Solver(), Path("moved/tiny_iter_5.solverstate"));
  EXPECT_EQ(trainer->iteration(), 5);
  std::filesystem::remove(folder_ / "moved" / "tiny_iter_5.caffemodel");
  const std::string error = ResumeError(Path("moved/tiny_iter_5.solverstate"));
  EXPECT_TRUE(Contains(error, "neither " + Path("tiny_iter_5.caffemodel"))) << error;
  EXPECT_TRUE(Contains(error, Path("moved/tiny_iter_5.caffemodel"))) << error;
}

// Names that HDF5 takes for paths, or for nothing at all.
TEST_F(SnapshotTest, ResumesWhateverTheLayersAreNamed) {
  for (const char* format : {"HDF5", "BINARYPROTO"}) {
    for (const std::string name : {"/conv1//Conv", "a/", "", ".", "label/0", "\xff"}) {
      SCOPED_TRACE(name + " in " + format);
      proto::SolverParameter solver = Solver(std::string("snapshot_format: ") + format);
      solver.mutable_net_param()->mutable_layer(1)->set_name(name);
      solver.set_snapshot(5);
      const auto whole = MakeTrainer(solver);
      ASSERT_TRUE(whole->Train());
      const std::string end = std::string(format) == "HDF5" ? ".h5" : "";
      const auto resumed = MakeTrainer(solver, Path("tiny_iter_5.solverstate" + end));
      ASSERT_TRUE(resumed->Train());
      EXPECT_EQ(WeightsOf(*resumed), WeightsOf(*whole));
    }
  }
}

TEST_F(SnapshotTest, TellsAnotherSizeFromAnotherChecksum) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  const std::string state = Path("tiny_iter_5.solverstate");
  const std::string weights = Path("tiny_iter_5.caffemodel");
  std::string bytes = ReadTestFile(weights);
  const std::string size = std::to_string(bytes.size());
  bytes[bytes.size() / 2] ^= 1;
  WriteTestFile(weights, bytes);
  const std::string changed = ResumeError(state);
  EXPECT_TRUE(Contains(changed, "(wrong checksum)")) << changed;
  WriteTestFile(weights, bytes + "x");
  const std::string longer = ResumeError(state);
  EXPECT_TRUE(Contains(longer, Concat("(", bytes.size() + 1, " bytes, expected ", size, ")")))
      << longer;
}

TEST_F(SnapshotTest, ExplainsStatesThatAreNone) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  const std::string state = Path("tiny_iter_5.solverstate");
  const std::string bytes = ReadTestFile(state);

  const std::string absent = ResumeError(Path("none.solverstate"));
  EXPECT_TRUE(Contains(absent, "none.solverstate: cannot be opened")) << absent;
  const std::string weights = ResumeError(Path("tiny_iter_5.caffemodel"));
  EXPECT_TRUE(Contains(weights, "is a weights file, but --snapshot needs a .solverstate"))
      << weights;
  WriteTestFile(folder_ / "renamed.solverstate", ReadTestFile(Path("tiny_iter_5.caffemodel")));
  const std::string renamed = ResumeError(Path("renamed.solverstate"));
  EXPECT_TRUE(Contains(renamed, "not a solver state")) << renamed;
  WriteTestFile(folder_ / "short.solverstate", bytes.substr(0, bytes.size() / 2));
  const std::string cut = ResumeError(Path("short.solverstate"));
  EXPECT_TRUE(Contains(cut, "ends in the middle of its data")) << cut;
  WriteTestFile(folder_ / "empty.solverstate", "");
  EXPECT_TRUE(Contains(ResumeError(Path("empty.solverstate")), "is empty"));
  WriteTestFile(folder_ / "h5.solverstate", "\x89HDF\r\n\x1a\n" + std::string(100, '\0'));
  EXPECT_TRUE(Contains(ResumeError(Path("h5.solverstate")), "HDF5"));
  EXPECT_NE(ResumeError(folder_.string()), "");
}

// Whatever byte is cut off or changed, the answer is an Error or a training that can go on.
TEST_F(SnapshotTest, SurvivesDamagedStates) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  const std::string bytes = ReadTestFile(Path("tiny_iter_5.solverstate"));
  const std::string damaged = Path("damaged.solverstate");
  for (size_t i = 0; i < bytes.size(); i += 3) {
    WriteTestFile(damaged, bytes.substr(0, i));
    ResumeError(damaged);
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    WriteTestFile(damaged, changed);
    ResumeError(damaged);
  }
}

TEST_F(SnapshotTest, HistoriesMustFit) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  const proto::SolverState state = ReadState(Path("tiny_iter_5.solverstate"));
  proto::SolverState fewer = state;
  fewer.mutable_history()->RemoveLast();
  WriteState(Path("fewer.solverstate"), fewer);
  const std::string count = ResumeError(Path("fewer.solverstate"));
  EXPECT_TRUE(Contains(count, "has 1 history blobs, but this net and solver have 2")) << count;

  proto::SolverState other = state;
  other.mutable_history(1)->add_data(1);
  other.mutable_history(1)->mutable_shape()->set_dim(0, 3);
  WriteState(Path("other.solverstate"), other);
  const std::string shape = ResumeError(Path("other.solverstate"));
  EXPECT_TRUE(Contains(shape, "history blob 1 has 3 values, but the parameter has 2")) << shape;

  proto::SolverState wrong = state;
  wrong.mutable_history(1)->add_data(1);  // more values than its shape says
  WriteState(Path("wrong.solverstate"), wrong);
  EXPECT_NE(ResumeError(Path("wrong.solverstate")), "");

  proto::SolverState progress = state;
  progress.mutable_progress()->add_data_layer("data");
  WriteState(Path("progress.solverstate"), progress);
  EXPECT_TRUE(Contains(ResumeError(Path("progress.solverstate")), "is damaged"));
}

// The state belongs to another net: other sizes, or a layer that the file lacks.
TEST_F(SnapshotTest, WeightsMustFit) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  const std::string state = Path("tiny_iter_5.solverstate");
  proto::SolverParameter wider = Solver();
  wider.mutable_net_param()->mutable_layer(1)->mutable_inner_product_param()->set_num_output(3);
  const std::string shape = ErrorOf([&] { MakeTrainer(wider, state); });
  EXPECT_TRUE(Contains(shape, "layer 'fc'")) << shape;
  EXPECT_TRUE(Contains(shape, "3 3 (9)")) << shape;
  EXPECT_TRUE(Contains(shape, "2 3 (6)")) << shape;
  proto::SolverParameter renamed = Solver();
  renamed.mutable_net_param()->mutable_layer(1)->set_name("other");
  const std::string name = ErrorOf([&] { MakeTrainer(renamed, state); });
  EXPECT_TRUE(Contains(name, "has no weights for layer other")) << name;
}

TEST_F(SnapshotTest, ResumingAtTheEndTrainsNoMore) {
  ASSERT_TRUE(MakeTrainer(Solver())->Train());
  const std::string weights = ReadTestFile(Path("tiny_iter_10.caffemodel"));
  LogCapture log;
  const auto trainer = MakeTrainer(Solver("display: 1"), Path("tiny_iter_10.solverstate"));
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(trainer->iteration(), 10);
  EXPECT_TRUE(ReadTestFile(Path("tiny_iter_10.caffemodel")) == weights);
  EXPECT_EQ(log.With("lr = ").size(), 0u);
  EXPECT_EQ(log.With("Iteration 10, loss = ").size(), 1u);
  EXPECT_EQ(log.lines().back(), "Optimization Done.");
  // The same where max_iter has been lowered.
  EXPECT_TRUE(MakeTrainer(Solver("max_iter: 3"), Path("tiny_iter_10.solverstate"))->Train());
}

}  // namespace
}  // namespace crema
