// Which snapshot is the newest whole one, and what is left of runs that were killed.
#include "train/snapshot_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "schema/binary_io.h"
#include "train/train_test_util.h"
#include "util/file_size_limit.h"

namespace crema {
namespace {

using Names = std::vector<std::string>;

class SnapshotFilesTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  proto::SolverParameter Solver(const std::string& more = "") const {
    return ParseSolver(TinySolver(folder_), more);
  }
  // Snapshots after iterations 4, 8 and 10.
  void Train(const std::string& more = "") const {
    ASSERT_TRUE(MakeTrainer(Solver("snapshot: 4 " + more))->Train());
  }
  std::string Newest() const { return FindNewestSnapshot(Path("tiny")); }
  void Cut(const std::string& name) const {
    const std::string bytes = ReadTestFile(Path(name));
    WriteTestFile(Path(name), bytes.substr(0, bytes.size() - 3));
  }
  std::filesystem::path folder_;
};

TEST_F(SnapshotFilesTest, TheNewestIsTheLastIteration) {
  EXPECT_EQ(Newest(), "");
  EXPECT_EQ(FindNewestSnapshot(Path("nowhere/tiny")), "");
  Train();
  EXPECT_EQ(Newest(), Path("tiny_iter_10.solverstate"));  // not 8, which comes last by name
}

TEST_F(SnapshotFilesTest, ARunThatBeginsAnewWarnsOfOldSnapshots) {
  {
    LogCapture log;
    Train();
    EXPECT_EQ(log.warnings(), Names{});
  }
  LogCapture log;
  MakeTrainer(Solver(), Newest());
  MakeTrainer(Solver("snapshot_after_train: false"));  // which writes none
  EXPECT_EQ(log.warnings(), Names{});
  MakeTrainer(Solver());
  ASSERT_EQ(log.warnings().size(), 1u);
  for (const char* part : {"tiny has 3 snapshots of an earlier run (iterations 4 to 10)",
                           "--resume=auto", "snapshot_prefix"}) {
    EXPECT_TRUE(Contains(log.warnings()[0], part)) << log.warnings()[0];
  }
}

// Who asked for --resume=auto is not advised to use it.
TEST_F(SnapshotFilesTest, NoRunIsAdvisedToResumeFromWhatIsDamaged) {
  Train();
  for (const char* iteration : {"4", "8", "10"}) {
    WriteTestFile(Path(std::string("tiny_iter_") + iteration + ".solverstate"), "damaged");
  }
  EXPECT_EQ(Newest(), "");
  LogCapture log;
  MakeTrainer(Solver());
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_TRUE(Contains(log.warnings()[0], "none of them is whole")) << log.warnings()[0];
  EXPECT_FALSE(Contains(log.warnings()[0], "--resume=auto")) << log.warnings()[0];
}

TEST_F(SnapshotFilesTest, OtherNamesAreNotTaken) {
  Train();
  for (const char* name : {"tiny_iter_99.solverstate.old", "tiny_iter_.solverstate",
                           "tiny_iter_9x.solverstate", "a_tiny_iter_99.solverstate",
                           "tiny_iter_99999999999999999999.solverstate", "tiny_iter_99.log"}) {
    WriteTestFile(Path(name), ReadTestFile(Path("tiny_iter_10.solverstate")));
  }
  LogCapture log;
  EXPECT_EQ(Newest(), Path("tiny_iter_10.solverstate"));
  EXPECT_EQ(log.warnings(), Names{});
}

// Each way to spoil the newest snapshot makes it the one before.
TEST_F(SnapshotFilesTest, PassesOverWhatIsNotWhole) {
  using Spoil = std::function<void()>;
  const std::string state = "tiny_iter_10.solverstate", weights = "tiny_iter_10.caffemodel";
  const std::pair<Spoil, const char*> cases[] = {
      {[&] { Cut(state); }, "ends in the middle of its data, after "},
      {[&] { Cut(weights); }, "is damaged or not the file that was written with"},
      {[&] { WriteTestFile(Path(state), ""); }, "is empty"},
      {[&] { std::filesystem::remove(Path(weights)); }, "its weights file is missing"},
      {[&] { std::filesystem::remove(Path(state)); }, "has weights but no state"},
      {[&] {
         std::filesystem::copy_file(Path("tiny_iter_8.caffemodel"), Path(weights),
                                    std::filesystem::copy_options::overwrite_existing);
       },
       "is damaged or not the file that was written with"},
      {[&] {  // a cut between two fields leaves a file that can be read
         proto::SolverState changed = ReadState(Path(state));
         changed.mutable_history()->RemoveLast();
         WriteTestFile(Path(state), changed.SerializeAsString());
       },
       "its checksum is wrong"},
      {[&] {
         proto::SolverState changed = ReadState(Path(state));
         changed.mutable_history(0)->set_data(1, 7);
         WriteTestFile(Path(state), changed.SerializeAsString());
       },
       "its checksum is wrong"},
  };
  for (const auto& [spoil, reason] : cases) {
    SetUp();
    Train();
    spoil();
    LogCapture log;
    EXPECT_EQ(Newest(), Path("tiny_iter_8.solverstate"));
    ASSERT_EQ(log.warnings().size(), 1u) << reason;
    EXPECT_TRUE(Contains(log.warnings()[0], reason)) << log.warnings()[0];
  }
}

TEST_F(SnapshotFilesTest, PassesOverDamagedHdf5) {
  Train("snapshot_format: HDF5");
  EXPECT_EQ(Newest(), Path("tiny_iter_10.solverstate.h5"));
  const std::string state = Path("tiny_iter_10.solverstate.h5");
  std::string bytes = ReadTestFile(state);
  const float value = ReadTestFile(state).empty() ? 0 : [&] {
    proto::SolverState read;
    ReadSolverState(state, &read);
    return read.history(0).data(1);
  }();
  const size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&value), sizeof value));
  ASSERT_NE(at, std::string::npos);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  WriteTestFile(state, bytes);
  LogCapture log;
  EXPECT_EQ(Newest(), Path("tiny_iter_8.solverstate.h5"));
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_TRUE(Contains(log.warnings()[0], "its checksum is wrong"));
}

// Caffe's states have no checksums; that their weights can be read is what can be known.
TEST_F(SnapshotFilesTest, TakesCaffesStates) {
  Train();
  for (int iteration : {8, 10}) {
    const std::string path = PathsOf(Path("tiny"), iteration, false).state;
    proto::SolverState state = ReadState(path);
    state.clear_progress();
    WriteTestFile(path, state.SerializeAsString());
  }
  EXPECT_EQ(Newest(), Path("tiny_iter_10.solverstate"));
  Cut("tiny_iter_10.caffemodel");
  EXPECT_EQ(Newest(), Path("tiny_iter_8.solverstate"));
}

// The weights of another run of the same name: named in the error, not used.
TEST_F(SnapshotFilesTest, WeightsMustBelongToTheState) {
  Train();
  std::filesystem::rename(Path("tiny_iter_8.caffemodel"), Path("tiny_iter_10.caffemodel"));
  const std::string error =
      ErrorOf([&] { MakeTrainer(Solver(), Path("tiny_iter_10.solverstate")); });
  EXPECT_TRUE(Contains(error, "tiny_iter_10.caffemodel: is damaged or not the file")) << error;
  EXPECT_TRUE(Contains(error, "--weights=")) << error;
}

// To begin anew would cost what might be there.
TEST_F(SnapshotFilesTest, WhatCannotBeReadIsNotMissing) {
  Train();
  std::filesystem::create_symlink("loop", Path("loop"));
  const std::string folder = ErrorOf([&] { FindNewestSnapshot(Path("loop/tiny")); });
  EXPECT_TRUE(Contains(folder, "loop: cannot be listed: ")) << folder;
  EXPECT_EQ(FindNewestSnapshot(Path("tiny_iter_4.caffemodel/tiny")), "");
  for (const char* name : {"tiny_iter_12.solverstate", "tiny_iter_10.caffemodel"}) {
    std::filesystem::remove(Path(name));
    std::filesystem::create_symlink(name, Path(name));
    const std::string error = ErrorOf([&] { Newest(); });
    EXPECT_TRUE(Contains(error, std::string(name) + ": cannot be opened: ")) << error;
    EXPECT_TRUE(Contains(error, "--resume=auto cannot tell")) << error;
    std::filesystem::remove(Path(name));
  }
}

TEST_F(SnapshotFilesTest, ANameMustBeThatOfTheState) {
  Train();
  for (const char* kind : {".caffemodel", ".solverstate"}) {
    std::filesystem::copy_file(Path(std::string("tiny_iter_8") + kind),
                               Path(std::string("tiny_iter_99") + kind));
  }
  LogCapture log;
  EXPECT_EQ(Newest(), Path("tiny_iter_10.solverstate"));
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_TRUE(Contains(log.warnings()[0], "is the state of iteration 8")) << log.warnings()[0];
}

// The link is still there afterwards, and leads to the new state.
TEST_F(SnapshotFilesTest, AStateMayBeALink) {
  std::filesystem::create_directory(folder_ / "disk");
  WriteTestFile(Path("disk/state"), "an older one");
  std::filesystem::create_symlink("disk/state", Path("tiny_iter_10.solverstate"));
  ASSERT_TRUE(MakeTrainer(Solver())->Train());
  EXPECT_TRUE(std::filesystem::is_symlink(Path("tiny_iter_10.solverstate")));
  EXPECT_EQ(ReadState(Path("disk/state")).iter(), 10);
}

// A second run under the same names: a failure between the two halves must not leave the first
// run's state with the second one's weights.
TEST_F(SnapshotFilesTest, AStateNeverHasTheWeightsOfAnother) {
  Train();
  const auto other = MakeTrainer(Solver("random_seed: 6"));
  other->Step(4);
  // What cannot be replaced makes the second half fail.
  std::filesystem::remove(Path("tiny_iter_4.solverstate"));
  std::filesystem::create_directory(Path("tiny_iter_4.solverstate"));
  const std::string weights = ReadTestFile(Path("tiny_iter_4.caffemodel"));
  EXPECT_NE(ErrorOf([&] { other->Snapshot(); }), "");
  EXPECT_TRUE(ReadTestFile(Path("tiny_iter_4.caffemodel")) == weights);
  std::filesystem::remove(Path("tiny_iter_4.solverstate"));
  other->Snapshot();
  EXPECT_TRUE(ReadTestFile(Path("tiny_iter_4.caffemodel")) != weights);
  EXPECT_EQ(MakeTrainer(Solver(), Path("tiny_iter_4.solverstate"))->iteration(), 4);
}

// Those of living processes, and whatever has another name, stay.
TEST_F(SnapshotFilesTest, CleansUpAfterKilledRuns) {
  Names users = {"other_iter_4.caffemodel.tmp.12.0",    "tiny_iter_0.tmp.99",
                 "tiny_iter_4.caffemodel.old.tmp.12.0", "tiny_iter_4.caffemodel.tmp.",
                 "tiny_iter_4.caffemodel.tmp..",        "tiny_iter_4.caffemodel.tmp.1.2.3",
                 "tiny_iter_4.caffemodel.tmp.12",       "tiny_iter_4.caffemodel.tmp.12.",
                 "tiny_iter_4.caffemodel.tmp.mine",     "tiny_iter_4.tmp.12.0",
                 "tiny_iter_5_my_notes.tmp.2",          "tiny_iter_5_my_notes.tmp.2.0",
                 "tiny_iter_6.caffemodel.tmp.13.0",     "tiny_iter_best.tmp.12.0"};
  Names all = users;
  all.insert(all.end(), {"tiny_iter_4.caffemodel.tmp.12.0", "tiny_iter_4.solverstate.h5.tmp.1.77"});
  for (const std::string& name : all) WriteTestFile(Path(name), "x");
  const int living = open(Path("tiny_iter_6.caffemodel.tmp.13.0").c_str(), O_RDONLY);
  ASSERT_EQ(flock(living, LOCK_SH), 0);
  LogCapture log;
  MakeTrainer(Solver());
  EXPECT_EQ(FilesIn(folder_), users);
  EXPECT_EQ(log.With("left by a run that was killed").size(), 2u);
  close(living);
}

// Names that somebody can foresee lead nowhere.
TEST_F(SnapshotFilesTest, TheProbeFollowsNoLinks) {
  const Names links = {Concat("tiny_iter_0.tmp.", getpid()),
                       Concat("tiny_iter_10.solverstate.tmp.", getpid(), ".0")};
  for (const std::string& name : links) std::filesystem::create_symlink("victim", Path(name));
  MakeTrainer(Solver());
  EXPECT_EQ(FilesIn(folder_), links);
}

// A prefix is refused at the beginning if any of its files would have too long a name.
TEST_F(SnapshotFilesTest, TheProbeHasTheLongestName) {
  int fitting = 0, refused = 0;
  const auto longest = static_cast<size_t>(pathconf(folder_.c_str(), _PC_NAME_MAX));
  for (size_t length = longest - 55; length < longest - 15; ++length) {
    const std::string more = "max_iter: 12 snapshot: 4 snapshot_format: HDF5 snapshot_prefix: '" +
                             Path(std::string(length, 'x')) + "'";
    std::unique_ptr<Trainer> trainer;
    const std::string error = ErrorOf([&] { trainer = MakeTrainer(Solver(more)); });
    ++(error.empty() ? fitting : refused);
    if (error.empty()) {
      LogCapture log;
      EXPECT_TRUE(trainer->Train()) << length;
      EXPECT_EQ(log.warnings(), Names{});
    } else {
      EXPECT_TRUE(Contains(error, "File name too long")) << error;
      EXPECT_TRUE(Contains(error, "change snapshot_prefix")) << error;
    }
  }
  EXPECT_GT(fitting, 5);
  EXPECT_GT(refused, 5);
}

// --- snapshot_keep removes what the run has written, and nothing else -------------------------

class KeepTest : public SnapshotFilesTest {
 protected:
  static constexpr char kKeep[] = "snapshot: 2 snapshot_keep: 1 ";
  // Trains as other runs would: other weights under the same names.
  void TrainAnother(const std::string& more) const {
    ASSERT_TRUE(MakeTrainer(Solver("random_seed: 99 snapshot: 2 " + more))->Train());
  }
  // States and weights of these iterations.
  static Names FilesOf(const std::string& prefix, const std::vector<int>& iterations,
                       const std::string& end = "") {
    Names names;
    for (const int iteration : iterations) {
      names.push_back(Concat(prefix, "_iter_", iteration, ".caffemodel", end));
      names.push_back(Concat(prefix, "_iter_", iteration, ".solverstate", end));
    }
    return names;
  }
  void ExpectFiles(Names expected) const {
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(FilesIn(folder_), expected);
  }
};

TEST_F(KeepTest, LeavesTheOtherFormat) {
  TrainAnother("snapshot_format: HDF5");
  ASSERT_TRUE(MakeTrainer(Solver(kKeep))->Train());
  Names expected = FilesOf("tiny", {2, 4, 6, 8, 10}, ".h5");
  for (const std::string& name : FilesOf("tiny", {10})) expected.push_back(name);
  ExpectFiles(expected);
}

// Gone on from another run's snapshot, there are none of its own so far.
TEST_F(KeepTest, LeavesOtherPrefixes) {
  TrainAnother("max_iter: 6");
  const std::string other = "snapshot_prefix: '" + Path("other") + "' ";
  ASSERT_TRUE(MakeTrainer(Solver(kKeep + other + "max_iter: 6"))->Train());
  ExpectFiles([&] {
    Names names = FilesOf("tiny", {2, 4, 6});
    for (const std::string& name : FilesOf("other", {6})) names.push_back(name);
    return names;
  }());
  ASSERT_TRUE(MakeTrainer(Solver(kKeep), Path("other_iter_6.solverstate"))->Train());
  ExpectFiles([&] {
    Names names = FilesOf("tiny", {2, 4, 6, 10});
    for (const std::string& name : FilesOf("other", {6})) names.push_back(name);
    return names;
  }());
}

// Its own, of the lives before, go.
TEST_F(KeepTest, GoesOnAfterAResume) {
  const std::string keep = "snapshot: 2 snapshot_keep: 2 ";
  for (const char* format : {"BINARYPROTO", "HDF5"}) {
    SetUp();
    const std::string more = keep + "snapshot_format: " + format + " ";
    const std::string end = std::string(format) == "HDF5" ? ".h5" : "";
    ASSERT_TRUE(MakeTrainer(Solver(more + "max_iter: 6"))->Train());
    ExpectFiles(FilesOf("tiny", {4, 6}, end));
    ASSERT_TRUE(MakeTrainer(Solver(more), Path("tiny_iter_6.solverstate" + end))->Train());
    ExpectFiles(FilesOf("tiny", {8, 10}, end));
  }
}

// By then the file of that name is another run's, or the user's.
TEST_F(KeepTest, LeavesWhatAnotherRunHasPutThere) {
  ASSERT_TRUE(MakeTrainer(Solver("snapshot: 2 snapshot_keep: 3 max_iter: 6"))->Train());
  const Names own = FilesOf("tiny", {6});
  std::filesystem::create_directory(folder_ / "aside");
  for (const std::string& name : own) {
    std::filesystem::rename(folder_ / name, folder_ / "aside" / name);
  }
  TrainAnother("max_iter: 6");
  for (const std::string& name : own) {
    std::filesystem::rename(folder_ / "aside" / name, folder_ / name);
  }
  std::filesystem::remove(folder_ / "aside");
  ASSERT_TRUE(MakeTrainer(Solver(kKeep), Path("tiny_iter_6.solverstate"))->Train());
  ExpectFiles(FilesOf("tiny", {2, 4, 10}));
}

TEST_F(KeepTest, LeavesWhatWasChanged) {
  const auto trainer = MakeTrainer(Solver(kKeep));
  trainer->Step(2);
  WriteTestFile(Path("tiny_iter_2.caffemodel"), "my own");
  trainer->Step(2);
  WriteTestFile(Path("tiny_iter_4.solverstate"), "my own");
  trainer->Step(2);
  ExpectFiles(FilesOf("tiny", {2, 4, 6}));
  std::filesystem::remove(Path("tiny_iter_6.caffemodel"));  // what is left of a pair may go
  trainer->Step(2);
  ExpectFiles(FilesOf("tiny", {2, 4, 8}));
}

// Until the newest state names the better one: a run may have to go on from there.
TEST_F(KeepTest, TheBestThatTheNewestStateNamesStays) {
  const auto trainer =
      MakeTrainer(Solver("snapshot_keep: 1 snapshot_best: 'loss' test_iter: 1 test_interval: 2"));
  LogCapture log;
  trainer->Step(5);
  ASSERT_EQ(log.With("; the snapshot of iteration 4 is kept").size(), 1u);
  ExpectFiles(FilesOf("tiny", {2, 4}));
  trainer->Snapshot();
  ExpectFiles(FilesOf("tiny", {4, 5}));
}

// As they were noted before: nobody can tell whose they are.
TEST_F(KeepTest, LeavesThoseOfEarlierVersions) {
  ASSERT_TRUE(MakeTrainer(Solver("snapshot: 2 snapshot_keep: 3 max_iter: 6"))->Train());
  proto::SolverState state = ReadState(Path("tiny_iter_6.solverstate"));
  state.mutable_progress()->clear_kept_snapshot();
  for (const int iteration : {2, 4, 6}) state.mutable_progress()->add_kept_snapshot(iteration);
  WriteState(Path("tiny_iter_6.solverstate"), state);
  LogCapture log;
  ASSERT_TRUE(MakeTrainer(Solver(kKeep), Path("tiny_iter_6.solverstate"))->Train());
  ExpectFiles(FilesOf("tiny", {2, 4, 6, 10}));
  EXPECT_EQ(log.With("an earlier version of crema").size(), 3u);
}

// A better net that cannot be saved does not cost the best one that is.
TEST_F(KeepTest, TheBestStaysUntilABetterOneIsSaved) {
  Trainer* running = nullptr;
  std::optional<FileSizeLimit> limit;
  const auto trainer = MakeTrainer(
      Solver("snapshot_keep: 1 snapshot_best: 'loss' test_iter: 1 test_interval: 2 snapshot: 5"),
      "", [&] {
        limit.reset();
        if (running->iteration() == 4) limit.emplace(16);  // of no use for a snapshot
        return Action::kNone;
      });
  running = trainer.get();
  LogCapture log;
  trainer->Step(6);
  ASSERT_EQ(log.With("The snapshot of iteration 4 could not be saved").size(), 1u);
  ExpectFiles(FilesOf("tiny", {2, 5}));
}

}  // namespace
}  // namespace crema
