// Snapshot files: what is written, that nothing is lost when writing fails, and what is read back.
#include "crema/error.h"
#include "schema/weights_io.h"
#include "train/snapshot_files.h"
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

// The folder that the state names still has a file of that name: another one by now.
TEST_F(SnapshotTest, TakesACopyAsItIs) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  std::filesystem::create_directory(folder_ / "copy");
  for (const std::string name : {"tiny_iter_5.caffemodel", "tiny_iter_5.solverstate"}) {
    std::filesystem::copy_file(folder_ / name, folder_ / "copy" / name);
  }
  const std::vector<double> weights =
      WeightsOf(*MakeTrainer(Solver(), Path("tiny_iter_5.solverstate")));
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5 random_seed: 6"))->Train());
  LogCapture log;
  EXPECT_EQ(WeightsOf(*MakeTrainer(Solver(), Path("copy/tiny_iter_5.solverstate"))), weights);
  EXPECT_EQ(log.With("weights from " + Path("copy/tiny_iter_5.caffemodel")).size(), 1u);
  // Renamed together, and copied without the weights.
  for (const std::string kind : {".caffemodel", ".solverstate"}) {
    std::filesystem::rename(Path("copy/tiny_iter_5" + kind), Path("copy/best" + kind));
  }
  EXPECT_EQ(WeightsOf(*MakeTrainer(Solver(), Path("copy/best.solverstate"))), weights);
  std::filesystem::rename(Path("copy/best.caffemodel"), Path("tiny_iter_5.caffemodel"));
  EXPECT_EQ(WeightsOf(*MakeTrainer(Solver(), Path("copy/best.solverstate"))), weights);
}

// Theirs have no checksums; beside the state is still the better guess.
TEST_F(SnapshotTest, TakesACopyOfCaffesFiles) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  proto::SolverState state = ReadState(Path("tiny_iter_5.solverstate"));
  state.clear_progress();
  std::filesystem::create_directory(folder_ / "copy");
  WriteState(Path("copy/tiny_iter_5.solverstate"), state);
  std::filesystem::copy_file(Path("tiny_iter_5.caffemodel"), Path("copy/tiny_iter_5.caffemodel"));
  LogCapture log;
  MakeTrainer(Solver(), Path("copy/tiny_iter_5.solverstate"));
  EXPECT_EQ(log.With("weights from " + Path("copy/tiny_iter_5.caffemodel")).size(), 1u);
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
  WriteTestFile(folder_ / "empty.solverstate", "");
  EXPECT_TRUE(Contains(ResumeError(Path("empty.solverstate")), "is empty"));
  WriteTestFile(folder_ / "h5.solverstate", "\x89HDF\r\n\x1a\n" + std::string(100, '\0'));
  EXPECT_TRUE(Contains(ResumeError(Path("h5.solverstate")), "HDF5"));
  EXPECT_NE(ResumeError(folder_.string()), "");
}

// What reading the bytes as a state's file says.
std::string ReadStateError(const std::string& path, const std::string& bytes) {
  WriteTestFile(path, bytes);
  return ErrorOf([&] {
    proto::SolverState state;
    ReadSolverState(path, &state);
  });
}

// Also where a field ends, which no reader of fields could tell.
TEST_F(SnapshotTest, ExplainsStatesThatAreCut) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  const std::string bytes = ReadTestFile(Path("tiny_iter_5.solverstate"));
  constexpr size_t kHead = 9;  // the iteration and the size of the file
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string error = ReadStateError(Path("cut.solverstate"), bytes.substr(0, size));
    const std::string expected =
        Concat("ends in the middle of its data, after ", size, " of ", bytes.size(), " bytes");
    EXPECT_NE(error, "") << size;
    EXPECT_TRUE(size < kHead || Contains(error, expected)) << error;
  }
  EXPECT_NE(ReadStateError(Path("longer.solverstate"), bytes + '\0'), "");
}

// Not one goes unnoticed, whatever it makes of the fields.
TEST_F(SnapshotTest, NoticesEachFlippedBit) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  std::string bytes = ReadTestFile(Path("tiny_iter_5.solverstate"));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const char before = bytes[bit / 8];
    bytes[bit / 8] = static_cast<char>(before ^ (1 << bit % 8));
    EXPECT_NE(ReadStateError(Path("damaged.solverstate"), bytes), "") << bit;
    bytes[bit / 8] = before;
  }
  EXPECT_EQ(ReadStateError(Path("damaged.solverstate"), bytes), "");
}

// In HDF5 the seal stands apart. A state that has lost it is no state of before there were seals.
TEST_F(SnapshotTest, NoticesFlippedBitsInHdf5) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5 snapshot_format: HDF5"))->Train());
  std::string bytes = ReadTestFile(Path("tiny_iter_5.solverstate.h5"));
  constexpr size_t kSeal = 24, kStride = 37;
  const size_t sealed = bytes.size() - kSeal, number_of_bits = 8 * bytes.size();
  for (size_t bit = 0; bit < number_of_bits; bit += bit / 8 < sealed ? kStride : 1) {
    const char before = bytes[bit / 8];
    bytes[bit / 8] = static_cast<char>(before ^ (1 << bit % 8));
    EXPECT_NE(ReadStateError(Path("damaged.solverstate.h5"), bytes), "") << bit;
    bytes[bit / 8] = before;
  }
  for (const size_t size : {sealed / 2, sealed - 1}) {
    EXPECT_NE(ReadStateError(Path("cut.solverstate.h5"), bytes.substr(0, size)), "");
  }
}

// As they were written before there were seals: what they hold is checked, and nobody has added
// fields to them.
TEST_F(SnapshotTest, ChecksStatesWithoutASeal) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  const std::string path = Path("tiny_iter_5.solverstate");
  proto::SolverState state = ReadState(path);
  state.mutable_progress()->set_state_checksum(StateChecksum(state));
  EXPECT_EQ(ReadStateError(path, state.SerializeAsString()), "");
  proto::SolverState changed = state;
  changed.set_iter(6);
  EXPECT_TRUE(Contains(ReadStateError(path, changed.SerializeAsString()), "checksum is wrong"));
  // A bit of the first field of the progress, and of the progress itself: both become unknown.
  const std::string seed = state.progress().SerializeAsString();
  const std::string whole = state.SerializeAsString();
  for (const size_t at : {whole.find(seed), whole.find(seed) + 1}) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x80);
    EXPECT_NE(ReadStateError(path, flipped), "") << at;
  }
  state.mutable_progress()->mutable_unknown_fields()->AddVarint(99, 1);
  EXPECT_TRUE(Contains(ReadStateError(path, state.SerializeAsString()), "checksum is wrong"));
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

// Nothing is left to do, so nothing is written: not even the same once more, without gradients.
TEST_F(SnapshotTest, ResumingAtTheEndWritesNothing) {
  const std::string tests = "test_iter: 1 test_interval: 5 snapshot_best: 'loss' display: 5 ";
  for (const std::string more :
       {"snapshot_diff: true", "snapshot_format: HDF5", "snapshot: 5 snapshot_keep: 1"}) {
    SetUp();
    ASSERT_TRUE(MakeTrainer(Solver(tests + more))->Train());
    const Names names = FilesIn(folder_);
    std::vector<std::string> files;
    for (const std::string& name : names) files.push_back(ReadTestFile(folder_ / name));
    LogCapture log;
    const std::string state = FindNewestSnapshot(Path("tiny"));
    EXPECT_TRUE(MakeTrainer(Solver(tests + more), state)->Train());
    EXPECT_TRUE(MakeTrainer(Solver(tests + more + " snapshot_prefix: '" + Path("x") + "'"), state)
                    ->Train());
    // Nor need it be possible to write there.
    EXPECT_TRUE(
        MakeTrainer(Solver(tests + more + " snapshot_prefix: '" + Path("no/x") + "'"), state)
            ->Train());
    EXPECT_TRUE(log.With("Snapshotting").empty());
    EXPECT_EQ(FilesIn(folder_), names);
    for (size_t i = 0; i < names.size(); ++i) {
      EXPECT_TRUE(ReadTestFile(folder_ / names[i]) == files[i]) << names[i];
    }
  }
}

// One that is stopped before it gets any further has its snapshot, too.
TEST_F(SnapshotTest, StoppedWhereItWasResumedItWritesNothing) {
  ASSERT_TRUE(MakeTrainer(Solver("max_iter: 5"))->Train());
  TrainOptions options;
  options.resume_from = Path("tiny_iter_5.solverstate");
  options.interrupt = [] { return true; };
  LogCapture log;
  EXPECT_FALSE(Trainer(Solver(), options).Train());
  EXPECT_TRUE(log.With("Snapshotting").empty());
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
