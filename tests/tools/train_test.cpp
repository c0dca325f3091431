// The command-line tool: snapshots, resuming, and signals while it trains.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tools/tool_test.h"

namespace crema {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST_F(ToolTest, SnapshotFolderIsCheckedFirst) {
  Write("solver.prototxt", With(kSolver, "\"small\"", "\"nowhere/small\""));
  const ToolResult result = Run({"train", "--solver=solver.prototxt"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("\ncrema: "));
  EXPECT_THAT(result.err, testing::Not(HasSubstr("Iteration")));
  ExpectError({"train", "--solver=solver.prototxt"},
              {"nowhere/", "No such file", "create the folder"});
}

TEST_F(ToolTest, AFullDiskLosesNothing) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const std::string weights = Read("small_iter_10.caffemodel");
  const std::string state = Read("small_iter_10.solverstate");
  Write("solver.prototxt", With(kSolver, "max_iter: 10", "max_iter: 20"));
  const auto before = FilesIn(folder_);
  const ToolResult result = RunTool({"train", "--solver=solver.prototxt", "--minloglevel=2",
                                     "--snapshot=small_iter_10.solverstate"},
                                    {folder_.string(), 100});
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_EQ(SplitLines(result.err).size(), 1u) << result.err;
  EXPECT_THAT(result.err, StartsWith("crema: small_iter_20.caffemodel: cannot be written: "));
  EXPECT_EQ(FilesIn(folder_), before);
  EXPECT_TRUE(Read("small_iter_10.caffemodel") == weights);
  EXPECT_TRUE(Read("small_iter_10.solverstate") == state);
}

// The next file would have the number of standard error, and the log would go into it.
TEST_F(ToolTest, WithoutStandardStreamsFilesAreTheSame) {
  ToolOptions options{folder_.string()};
  ASSERT_EQ(RunTool({"train", "--solver=solver.prototxt", "--metrics=a"}, options).status, 0);
  const std::string weights = Read("small_iter_10.caffemodel");
  std::filesystem::remove(folder_ / "small_iter_10.caffemodel");
  options.has_streams = false;
  EXPECT_EQ(RunTool({"train", "--solver=solver.prototxt", "--metrics=b"}, options).status, 0);
  EXPECT_TRUE(Read("small_iter_10.caffemodel") == weights);
  const Words lines = SplitLines(Read("b"));
  EXPECT_EQ(lines.size(), SplitLines(Read("a")).size());
  for (const std::string& line : lines) EXPECT_THAT(line, StartsWith("{"));
}

TEST_F(ToolTest, ResumesExactly) {
  UseImages();
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const std::string weights = Read("small_iter_10.caffemodel");
  const std::string state = Read("small_iter_10.solverstate");
  Write("solver.prototxt", With(kSolver, "max_iter: 10", "max_iter: 7"));
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  Write("solver.prototxt", kSolver);
  std::filesystem::remove(folder_ / "small_iter_10.caffemodel");
  const ToolResult resumed =
      Run({"train", "--solver=solver.prototxt", "--snapshot=small_iter_7.solverstate"});
  EXPECT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("Resuming from small_iter_7.solverstate"));
  EXPECT_TRUE(Read("small_iter_10.caffemodel") == weights);
  EXPECT_TRUE(Read("small_iter_10.solverstate") == state);
}

TEST_F(ToolTest, ResumesFromTheNewestSnapshot) {
  Write("solver.prototxt", std::string(kSolver) + "snapshot: 4\n");
  const Words train = {"train", "--solver=solver.prototxt", "--resume=auto"};
  const ToolResult first = Run(train);
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("No snapshot of small to resume from; starting a new run"));
  const std::string weights = Read("small_iter_10.caffemodel");
  Write("small_iter_10.caffemodel", "half");
  const ToolResult second = Run(train);
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_THAT(second.err, HasSubstr("Skipping the snapshot small_iter_10.solverstate"));
  EXPECT_THAT(second.err, HasSubstr("Resuming from small_iter_8.solverstate"));
  EXPECT_TRUE(Read("small_iter_10.caffemodel") == weights);
  ExpectUsageError({"train", "--solver=solver.prototxt", "--resume=small_iter_8.solverstate"},
                   {"must be auto", "--snapshot"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "--resume=auto", "--snapshot=x"},
                   {"not both"});
}

TEST_F(ToolTest, ALossThatIsNotANumberEndsTraining) {
  Write("net.prototxt", With(kNet, "type: \"gaussian\" std: 1", "type: \"gaussian\" std: 1e38"));
  const ToolResult result = Run({"train", "--solver=solver.prototxt"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("\ncrema: iteration "));
  EXPECT_THAT(result.err, HasSubstr("blob 'fc' of layer 'fc' (InnerProduct)"));
  EXPECT_FALSE(Has("small_iter_10.caffemodel"));
  ExpectError({"train", "--solver=solver.prototxt"}, {"not a number, first", "clip_gradients"});
}

class SignalTest : public ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    std::string solver = With(kSolver, "max_iter: 10", "max_iter: 1000000000");
    Write("solver.prototxt", With(solver, "display: 5", "display: 1"));
  }
  // How many snapshots there are; each is whole.
  int Snapshots() const {
    int states = 0;
    for (const std::string& name : FilesIn(folder_)) {
      EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
      const size_t at = name.find(".solverstate");
      if (at == std::string::npos) continue;
      ++states;
      EXPECT_TRUE(Has(name.substr(0, at) + ".caffemodel"));
      EXPECT_GT(ReadState((folder_ / name).string()).iter(), 0);
    }
    return states;
  }
};

TEST_F(SignalTest, SigintStopsAndSaves) {
  ToolProcess train({"train", "--solver=solver.prototxt"}, Here());
  ASSERT_TRUE(train.WaitFor("Iteration 3 "));
  train.Signal(SIGINT);
  const ToolResult result = train.Finish();
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("Optimization stopped early."));
  EXPECT_EQ(Snapshots(), 1);
}

// What a cluster sends: the snapshot is there, and who started the run is told that it is not done.
TEST_F(SignalTest, SigtermStopsAndSaves) {
  ToolProcess train({"train", "--solver=solver.prototxt"}, Here());
  ASSERT_TRUE(train.WaitFor("Iteration 3 "));
  train.Signal(SIGTERM);
  const ToolResult result = train.Finish();
  EXPECT_EQ(result.status, 128 + SIGTERM);
  EXPECT_THAT(result.err, HasSubstr("Optimization stopped early."));
  EXPECT_EQ(Snapshots(), 1);
}

// Not at the end of an iteration, which here would take days.
TEST_F(SignalTest, SigtermEndsAnIteration) {
  Write("solver.prototxt", Read("solver.prototxt") + "iter_size: 1000000000\n");
  ToolProcess train({"train", "--solver=solver.prototxt"}, Here());
  ASSERT_TRUE(train.WaitFor("Starting Optimization"));
  train.Signal(SIGTERM);
  const ToolResult result = train.Finish();
  EXPECT_EQ(result.status, 128 + SIGTERM);
  EXPECT_THAT(result.err, HasSubstr("Optimization stopped early."));
  EXPECT_EQ(ReadState((folder_ / "small_iter_0.solverstate").string()).iter(), 0);
}

TEST_F(SignalTest, SighupSavesAndGoesOn) {
  ToolProcess train({"train", "--solver=solver.prototxt"}, Here());
  ASSERT_TRUE(train.WaitFor("Iteration 3 "));
  train.Signal(SIGHUP);
  ASSERT_TRUE(train.WaitFor("Snapshotting solver state"));
  ASSERT_TRUE(train.WaitFor("Iteration "));
  ASSERT_TRUE(train.WaitFor(", loss = "));
  EXPECT_EQ(Snapshots(), 1);
  train.Signal(SIGINT);
  EXPECT_EQ(train.Finish().status, 0);
  EXPECT_EQ(Snapshots(), 2);
}

TEST_F(SignalTest, EffectsCanBeSwapped) {
  ToolProcess train(
      {"train", "--solver=solver.prototxt", "--sigint_effect=snapshot", "--sighup_effect=stop"},
      Here());
  ASSERT_TRUE(train.WaitFor("Iteration 3 "));
  train.Signal(SIGINT);
  ASSERT_TRUE(train.WaitFor("Snapshotting solver state"));
  ASSERT_TRUE(train.WaitFor(", loss = "));
  train.Signal(SIGHUP);
  const ToolResult result = train.Finish();
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("Optimization stopped early."));
  EXPECT_EQ(Snapshots(), 2);
}

// Nothing is left half-written by a kill that cannot be caught.
TEST_F(SignalTest, KillLeavesWholeSnapshots) {
  Write("solver.prototxt", Read("solver.prototxt") + "snapshot: 1\n");
  ToolProcess train({"train", "--solver=solver.prototxt"}, Here());
  ASSERT_TRUE(train.WaitFor("small_iter_3.solverstate"));
  train.Signal(SIGKILL);
  EXPECT_EQ(train.Finish().status, -SIGKILL);
  for (const int done : {1, 2}) {
    EXPECT_EQ(ReadState((folder_ / Concat("small_iter_", done, ".solverstate")).string()).iter(),
              done);
  }
  Write("solver.prototxt", kSolver);
  EXPECT_EQ(
      Run({"train", "--solver=solver.prototxt", "--snapshot=small_iter_2.solverstate"}).status, 0);
}

// One that comes before the options are known waits until they are: it is the run's.
TEST_F(SignalTest, ASignalBeforeEverythingIsTheRuns) {
  const std::string fifo = (folder_ / "flags").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  Write("solver.prototxt", kSolver);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
    ToolProcess train({"train", "--flagfile=flags"}, Here());
    const int flags = open(fifo.c_str(), O_WRONLY);  // waits for the tool
    ASSERT_GE(flags, 0);
    train.Signal(signal);
    const std::string words = "--solver=solver.prototxt\n--sigint_effect=snapshot\n";
    ASSERT_EQ(write(flags, words.data(), words.size()), static_cast<ssize_t>(words.size()));
    close(flags);
    const ToolResult result = train.Finish();
    if (signal == SIGTERM) {  // nothing to be saved so far
      EXPECT_EQ(result.status, -SIGTERM);
      continue;
    }
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("small_iter_0.solverstate"));  // in the first test
  }
}

// Other commands are ended by the same signals, as ever.
TEST_F(SignalTest, SignalsEndOtherCommands) {
  ToolProcess time({"time", "--model=net.prototxt", "--iterations=1000000000"}, Here());
  ASSERT_TRUE(time.WaitFor("Benchmark begins"));
  time.Signal(SIGTERM);
  EXPECT_EQ(time.Finish().status, -SIGTERM);
}

TEST_F(SignalTest, OneRunAtATimeHasAPrefix) {
  ToolProcess first({"train", "--solver=solver.prototxt"}, Here());
  ASSERT_TRUE(first.WaitFor("Iteration 3 "));
  const auto before = FilesIn(folder_);
  for (const Words& more : {Words{}, Words{"--resume=auto"}}) {
    Words words = {"train", "--solver=solver.prototxt"};
    words.insert(words.end(), more.begin(), more.end());
    ExpectError(words, {"another run (process ", "'small'", "change snapshot_prefix"});
  }
  // Whoever saves nothing there is not concerned.
  Write("quiet.prototxt", std::string(kSolver) + "snapshot_after_train: false\n");
  EXPECT_EQ(Run({"train", "--solver=quiet.prototxt"}).status, 0);
  EXPECT_EQ(Run({"time", "--model=net.prototxt", "--iterations=1"}).status, 0);
  EXPECT_EQ(FilesIn(folder_).size(), before.size() + 1);
  Write("quiet.prototxt", Read("solver.prototxt") + "snapshot_after_train: false\n");
  ToolProcess quiet({"train", "--solver=quiet.prototxt"}, Here());
  ASSERT_TRUE(quiet.WaitFor("Iteration 3 "));
  quiet.Signal(SIGHUP);
  EXPECT_TRUE(quiet.WaitFor("No snapshot is saved: solver: another run (process "));
  quiet.Signal(SIGINT);
  EXPECT_EQ(quiet.Finish().status, 0);
  EXPECT_EQ(FilesIn(folder_).size(), before.size() + 1);
  first.Signal(SIGKILL);
  EXPECT_EQ(first.Finish().status, -SIGKILL);
  Write("solver.prototxt", kSolver);
  EXPECT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);  // what is left is in no way
  EXPECT_FALSE(Has("small.lock"));
}

}  // namespace
}  // namespace crema
