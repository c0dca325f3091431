// Training that is killed again and again, and whose disk is full at any moment of a snapshot.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

#include "crema/error.h"
#include "tools/tool_process.h"
#include "train/snapshot_files.h"
#include "train/train_test_util.h"
#include "util/many_cases.h"
#include "util/paths.h"
#include "util/small_disk.h"

namespace crema {
namespace {

using testing::HasSubstr;

// Whatever a run keeps or draws: shuffled, cropped, mirrored records, BatchNorm, dropout,
// stochastic pooling, a moving average of losses, tests in between, the best snapshot and the last
// three.
std::string Net(const std::string& data) {
  return R"(name: "killed"
layer { name: "train_data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 6 mirror: true scale: 0.01 }
  data_param { source: ")" +
         data + R"(" batch_size: 4 backend: LMDB shuffle: true } }
layer { name: "test_data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 6 scale: 0.01 }
  data_param { source: ")" +
         data + R"(" batch_size: 5 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
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
)";
}

constexpr char kSolver[] = R"(net: "net.prototxt" base_lr: 0.01 momentum: 0.9 type: "Adam"
lr_policy: "step" stepsize: 10 gamma: 0.9 iter_size: 2 average_loss: 5 display: 1 random_seed: 3
snapshot: 2 solver_mode: CPU
)";
constexpr char kHere[] = "snapshot_prefix: 'run' ";

class KillTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    MakeImages((folder_ / "images").string(), 29, 2, 8, 3);
  }

  std::filesystem::path NewRun(const std::string& name, const std::string& more) const {
    const std::filesystem::path run = folder_ / name;
    std::filesystem::create_directory(run);
    WriteTestFile(run / "net.prototxt", Net((folder_ / "images").string()));
    WriteTestFile(run / "solver.prototxt", kSolver + more);
    return run;
  }

  // With `fault`, an entry for the environment of tests/tools/preload/faults.cpp.
  static ToolResult Train(const std::filesystem::path& run, const std::string& fault = "") {
    ToolOptions options{run.string()};
    if (!fault.empty()) options.environment = WithFault({fault});
    return RunTool({"train", "--solver=solver.prototxt", "--resume=auto"}, options);
  }

  // Every state that is there is whole and has its own weights. Returns the newest iteration.
  static int64_t CheckSnapshots(const std::filesystem::path& run) {
    int64_t newest = 0;
    for (const std::string& name : FilesIn(run)) {
      if (name.size() < 12 || name.substr(name.size() - 12) != ".solverstate") continue;
      const std::string path = (run / name).string();
      proto::SolverState state;
      EXPECT_EQ(ErrorOf([&] {
                  ReadSolverState(path, &state);
                  FindWeights(state, path);
                }),
                "");
      newest = std::max<int64_t>(newest, state.iter());
    }
    return newest;
  }

  static void ExpectSameEnd(const std::filesystem::path& a, const std::filesystem::path& b,
                            int iteration) {
    const SnapshotPaths paths = PathsOf("run", iteration, false);
    EXPECT_FALSE(ReadTestFile(a / paths.weights).empty());
    EXPECT_TRUE(ReadTestFile(a / paths.weights) == ReadTestFile(b / paths.weights));
    proto::SolverState states[] = {ReadState((a / paths.state).string()),
                                   ReadState((b / paths.state).string())};
    for (proto::SolverState& state : states) {
      // A snapshot whose removal was interrupted is on the list once more.
      state.mutable_progress()->clear_kept_snapshot();
      state.mutable_progress()->clear_state_checksum();
    }
    EXPECT_GT(states[0].history_size(), 0);
    EXPECT_TRUE(states[0].SerializeAsString() == states[1].SerializeAsString());
  }

  std::filesystem::path folder_;
};

std::vector<std::string> ReadEvents(const std::filesystem::path& path) {
  return SplitLines(ReadTestFile(path));
}

// CREMA_KILLS=50 is the long form; CREMA_KILL_SEED repeats or varies the moments.
TEST_F(KillTest, EndsWhereAnUninterruptedRunEnds) {
  const char* kills_given = std::getenv("CREMA_KILLS");
  const char* seed_given = std::getenv("CREMA_KILL_SEED");
  const int kills = kills_given == nullptr ? 10 : std::atoi(kills_given);
  const unsigned seed = seed_given == nullptr ? 1 : static_cast<unsigned>(std::atol(seed_given));
  std::cout << "kills: " << kills << ", seed: " << seed << std::endl;
  // No life is long enough for more iterations than this.
  constexpr int kLongestLife = 500, kMostIterations = 10;
  const int iterations = kills * kMostIterations + 10;
  const std::string more = Concat(kHere,
                                  "test_interval: 5 test_iter: 2 snapshot_keep: 3 "
                                  "snapshot_best: 'accuracy' max_iter: ",
                                  iterations);
  const auto whole = NewRun("whole", more), killed = NewRun("killed", more);
  ASSERT_EQ(Train(whole).status, 0);

  std::mt19937 random(seed);
  int64_t newest = 0;
  int64_t in_snapshots = 0, starts = 0;
  for (int kill = 1; kill <= kills; ++kill) {
    const auto moment = 1 + random() % kLongestLife;
    SCOPED_TRACE(Concat("kill ", kill, " at event ", moment));
    const ToolResult result = Train(killed, Concat("CREMA_KILL_AT=", moment));
    ASSERT_EQ(result.status, -SIGKILL) << result.err;
    const auto now = CheckSnapshots(killed);
    EXPECT_GE(now, newest);
    newest = now;
    const auto files = FilesIn(killed);
    const bool half = std::any_of(files.begin(), files.end(), [](const std::string& name) {
      return name.find(".tmp.") != std::string::npos;
    });
    in_snapshots += half;
    starts += result.err.find("Iteration ") == std::string::npos;
  }
  std::cout << "killed " << kills << " times: " << in_snapshots << " with half-written files, "
            << starts << " before the first iteration; newest snapshot then: " << newest << " of "
            << iterations << " iterations" << std::endl;
  EXPECT_GT(in_snapshots, 0);
  const ToolResult last = Train(killed);
  ASSERT_EQ(last.status, 0) << last.err;
  ExpectSameEnd(whole, killed, iterations);
  EXPECT_EQ(FilesIn(killed), FilesIn(whole));  // nothing half-written, nothing too much
}

// The moments that chance seldom finds: before and after each call that makes a file appear or go.
TEST_F(KillTest, NoMomentOfASnapshotIsWrong) {
  const std::string more = Concat(kHere, "max_iter: 4 snapshot_keep: 1");
  const auto whole = NewRun("whole", more);
  ASSERT_EQ(Train(whole, "CREMA_EVENTS=" + (folder_ / "events").string()).status, 0);
  const auto events = ReadEvents(folder_ / "events");
  int moments = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const std::string call = events[i].substr(0, events[i].find(' '));
    if (call == "write" || call == "log" || call == "logged") continue;
    if (moments++ % test::CaseStride(4) != 0) continue;
    SCOPED_TRACE(Concat("event ", i + 1, ": ", events[i]));
    const auto run = NewRun(Concat("killed", i), more);
    EXPECT_EQ(Train(run, Concat("CREMA_KILL_AT=", i + 1)).status, -SIGKILL);
    CheckSnapshots(run);
    EXPECT_EQ(Train(run).status, 0);
    ExpectSameEnd(whole, run, 4);
    EXPECT_EQ(FilesIn(run), FilesIn(whole));
  }
  EXPECT_GT(moments, 20);
}

// Each call that writes a snapshot fails once, for want of room. The one that would be lost is not
// the one before, and training goes on to the same end.
TEST_F(KillTest, AFullDiskLosesNothingAtAnyMoment) {
  const std::string more = Concat(kHere, "max_iter: 6");
  const auto whole = NewRun("whole", more);
  ASSERT_EQ(Train(whole, "CREMA_EVENTS=" + (folder_ / "events").string()).status, 0);
  const auto events = ReadEvents(folder_ / "events");
  const auto find = [&](const std::string& text) {
    return std::find_if(
               events.begin(), events.end(),
               [&](const std::string& event) { return event.find(text) != std::string::npos; }) -
           events.begin();
  };
  const auto begin = find("Snapshotting to binary proto file run_iter_4"),
             end = find("Iteration 4 ");
  ASSERT_LT(begin, end);
  int failures = 0, writes = 0;
  for (auto i = begin; i < end; ++i) {
    const std::string call = events[i].substr(0, events[i].find(' '));
    if (call != "write" && call != "fsync" && call != "rename") continue;
    if (call == "write" && writes++ % 16 != 0) continue;  // some of them will do
    ++failures;
    SCOPED_TRACE(Concat("event ", i + 1, ": ", events[i]));
    const auto run = NewRun(Concat("full", i), more);
    const ToolResult result = Train(run, Concat("CREMA_FAIL_AT=", i + 1));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("The snapshot of iteration 4 could not be saved"));
    EXPECT_THAT(result.err, HasSubstr("No space left on device"));
    EXPECT_EQ(CheckSnapshots(run), 6);
    EXPECT_TRUE(std::filesystem::exists(run / "run_iter_2.solverstate"));
    for (const std::string& name : FilesIn(run)) EXPECT_EQ(name.find(".tmp."), std::string::npos);
    ExpectSameEnd(whole, run, 6);
  }
  EXPECT_GT(failures, 6);
}

TEST_F(KillTest, ADiskThatFillsUpLosesNothing) {
  const SmallDisk disk((folder_ / "disk").string(), "64k");
  if (!disk.mounted()) GTEST_SKIP() << "a small disk can only be mounted by root";
  const std::string more = Concat("max_iter: 31 snapshot_prefix: '",
                                  (folder_ / "disk/run").string(), "' snapshot_after_train: ");
  const auto run = NewRun("run", more + "false");
  const ToolResult result = Train(run);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("No space left on device"));
  EXPECT_THAT(result.err, HasSubstr("Optimization Done."));
  const int64_t newest = CheckSnapshots(folder_ / "disk");
  EXPECT_GE(newest, 4);
  EXPECT_LT(newest, 30);
  for (int64_t iteration = 2; iteration <= newest; iteration += 2) {
    EXPECT_TRUE(
        std::filesystem::exists(PathsOf((folder_ / "disk/run").string(), iteration, false).state))
        << iteration;
  }
  for (const std::string& name : FilesIn(folder_ / "disk")) {
    EXPECT_EQ(name.find(".tmp."), std::string::npos) << name;
  }
  // The last one is not a warning.
  NewRun("run", more + "true");
  EXPECT_EQ(Train(run).status, 1);
}

}  // namespace
}  // namespace crema
