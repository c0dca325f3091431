// The command-line tool: what it prints, its exit status, and how it answers mistakes.
#include <gmock/gmock.h>

#include <csignal>
#include <regex>

#include "crema/device/device.h"
#include "tools/tool_process.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

const char kNet[] = R"(name: "small"
layer {
  name: "data"
  type: "DummyData"
  top: "data"
  top: "label"
  dummy_data_param {
    shape { dim: 4 dim: 3 }
    shape { dim: 4 }
    data_filler { type: "gaussian" std: 1 }
    data_filler { value: 1 }
  }
}
layer {
  name: "fc"
  type: "InnerProduct"
  bottom: "data"
  top: "fc"
  inner_product_param {
    num_output: 5
    weight_filler { type: "xavier" }
  }
}
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
)";

// Its first layer for records of `images`.
const char kImageLayer[] = R"(layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "images" batch_size: 4 backend: LMDB } }
)";

const char kSolver[] = R"(net: "net.prototxt"
base_lr: 0.1
momentum: 0.9
lr_policy: "fixed"
max_iter: 10
display: 5
snapshot_prefix: "small"
random_seed: 1
solver_mode: CPU
test_iter: 2
test_interval: 5
)";

class ToolTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    Write("net.prototxt", kNet);
    Write("solver.prototxt", kSolver);
  }

  ToolOptions Here() const { return {folder_.string(), RLIM_INFINITY}; }
  ToolResult Run(const Words& words) const { return RunTool(words, Here()); }
  void Write(const std::string& name, const std::string& text) const {
    WriteTestFile(folder_ / name, text);
  }
  std::string Read(const std::string& name) const { return ReadTestFile(folder_ / name); }
  bool Has(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  // Replaces `from`, which must be there.
  static std::string With(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }

  // The net with a Data layer, whose database is made here.
  void UseImages() const {
    MakeImages((folder_ / "images").string(), 11, 1, 3, 5);
    const std::string net = kNet;
    Write("net.prototxt", "name: 'small'\n" + std::string(kImageLayer) + net.substr(net.find("layer {\n  name: \"fc\"")));
  }

  // An error of the user's is one line, and nothing else but log lines.
  void ExpectError(Words words, const Words& parts, int status = 1) const {
    words.push_back("--minloglevel=2");
    const ToolResult result = Run(words);
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_THAT(result.err, StartsWith("crema: "));
    EXPECT_EQ(SplitLines(result.err).size(), 1u) << result.err;
    EXPECT_EQ(result.out, "");
    for (const std::string& part : parts) EXPECT_THAT(result.err, HasSubstr(part));
  }
  void ExpectUsageError(const Words& words, const Words& parts) const {
    ExpectError(words, parts, 2);
  }

  std::filesystem::path folder_;
};

// The prefix of every log line: no year, as in Caffe's own logs.
bool IsLogLine(const std::string& line) {
  static const std::regex prefix(
      R"([IWEF][01][0-9][0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6} +[0-9]+ [a-z0-9_]+\.cpp:[0-9]+\] .*)");
  return std::regex_match(line, prefix);
}

// --- usage -----------------------------------------------------------------------------------

TEST_F(ToolTest, EveryCommandHasHelp) {
  for (const std::string command :
       {"train", "test", "time", "show", "device_query", "convert", "mean"}) {
    const ToolResult help = Run({command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_EQ(help.err, "") << command;
    EXPECT_THAT(help.out, StartsWith("usage: crema " + command));
    EXPECT_THAT(help.out, HasSubstr("options:\n  --"));
    EXPECT_EQ(Run({"help", command}).out, help.out);
    EXPECT_EQ(Run({"-h", command}).out, help.out);
    for (const std::string& line : SplitLines(help.out)) EXPECT_LE(line.size(), 120u) << line;
  }
  EXPECT_THAT(Run({"train", "--help"}).out, HasSubstr("--snapshot"));
  EXPECT_THAT(Run({"train", "--help"}).out, testing::Not(HasSubstr("--iterations")));
}

TEST_F(ToolTest, HelpListsCommandsAndLayers) {
  const ToolResult help = Run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  for (const std::string command : {"train", "test", "time", "show", "device_query", "convert"}) {
    EXPECT_THAT(help.out, HasSubstr("\n  " + command + " "));
  }
  EXPECT_THAT(Run({"help"}).out, StartsWith(help.out));
  EXPECT_THAT(SplitLines(Run({"help", "layers"}).out), testing::Contains("Convolution"));
  const ToolResult nothing = Run({"help", "nothing"});
  EXPECT_EQ(nothing.status, 1);
  EXPECT_THAT(nothing.err, HasSubstr("there is no help on 'nothing'"));
}

TEST_F(ToolTest, NoCommandShowsTheUsage) {
  const ToolResult result = Run({});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, Run({"--help"}).out);
}

TEST_F(ToolTest, WrongUsageIsStatus2) {
  ExpectUsageError({"trian"}, {"'trian'", "did you mean 'train'?"});
  ExpectUsageError({"zzzzzz"}, {"there is no command 'zzzzzz'"});
  ExpectUsageError({""}, {"there is no command ''"});
  ExpectUsageError({"train", "--solvr=x"}, {"--solvr", "did you mean --solver?"});
  ExpectUsageError({"train", "--iterations=5"}, {"crema train has no option --iterations"});
  ExpectUsageError({"train", "--"}, {"has no option"});
  ExpectUsageError({"train"}, {"--solver=FILE is missing"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "solver.prototxt"},
                   {"'solver.prototxt' is not expected here"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "--snapshot=a", "--weights=b"},
                   {"not both"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "--sigint_effect=die"},
                   {"--sigint_effect=die", "stop, snapshot or none"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "--level=high"}, {"--level=high"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "--gpu=first"}, {"--gpu=first"});
  ExpectUsageError({"test", "--model=net.prototxt"}, {"--weights=FILE is missing"});
  ExpectUsageError({"test", "--weights=x"}, {"--model=FILE is missing"});
  ExpectUsageError({"test", "--model=net.prototxt", "--weights=x", "--iterations=0"},
                   {"--iterations must be 1 or more"});
  ExpectUsageError({"time", "--model=net.prototxt", "--iterations=many"}, {"--iterations=many"});
  ExpectUsageError({"time", "--model=net.prototxt", "--phase=train"}, {"must be TRAIN or TEST"});
  ExpectUsageError({"device_query", "now"}, {"'now' is not expected here"});
  const ToolResult last = Run({"train", "--solver"});
  EXPECT_EQ(last.status, 2);
  EXPECT_THAT(last.err, HasSubstr("--solver needs a value"));
}

TEST_F(ToolTest, FlagsTakeCaffesForms) {
  EXPECT_EQ(Run({"time", "--model=net.prototxt", "--iterations=1"}).status, 0);
  EXPECT_EQ(Run({"time", "-model", "net.prototxt", "-iterations", "1"}).status, 0);
  EXPECT_EQ(Run({"--model=net.prototxt", "--iterations=1", "time"}).status, 0);
  EXPECT_EQ(Run({"--model", "net.prototxt", "--iterations", "1", "time"}).status, 0);
  EXPECT_EQ(Run({"--model", "net.prototxt", "time", "--iterations", "1"}).status, 0);
}

TEST_F(ToolTest, LogFilesAreWrittenOnDemand) {
  std::filesystem::create_directory(folder_ / "logs");
  EXPECT_EQ(Run({"time", "--model=net.prototxt", "--iterations=1"}).status, 0);
  EXPECT_TRUE(FilesIn(folder_ / "logs").empty());
  const ToolResult result =
      Run({"time", "--model=net.prototxt", "--iterations=1", "--log_dir=logs"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("Benchmark ends"));
  EXPECT_FALSE(FilesIn(folder_ / "logs").empty());
}

// --- mistakes in files -----------------------------------------------------------------------

TEST_F(ToolTest, MissingFiles) {
  ExpectError({"train", "--solver=none.prototxt"}, {"none.prototxt: ", "No such file"});
  ExpectError({"time", "--model=none.prototxt"}, {"none.prototxt: ", "No such file"});
  ExpectError({"test", "--model=net.prototxt", "--weights=none.caffemodel"},
              {"none.caffemodel: ", "No such file"});
  ExpectError({"train", "--solver=solver.prototxt", "--weights=none.caffemodel"},
              {"none.caffemodel: ", "No such file"});
  ExpectError({"train", "--solver=solver.prototxt", "--snapshot=none.solverstate"},
              {"none.solverstate: ", "No such file"});
  Write("solver.prototxt", With(kSolver, "net.prototxt", "gone.prototxt"));
  ExpectError({"train", "--solver=solver.prototxt"}, {"gone.prototxt: ", "No such file"});
  ExpectError({"train", "--solver=."}, {"folder"});
}

TEST_F(ToolTest, TyposInFieldNames) {
  Write("net.prototxt", With(kNet, "num_output", "num_ouput"));
  for (const Words& words : {Words{"train", "--solver=solver.prototxt"},
                             Words{"show", "--model=net.prototxt"}}) {
    ExpectError(words, {"net.prototxt:20: ", "num_ouput", "num_output", "layer", "fc"});
  }
  Write("solver.prototxt", With(kSolver, "base_lr", "base_lrr"));
  ExpectError({"train", "--solver=solver.prototxt"},
              {"solver.prototxt:2: ", "base_lrr", "did you mean", "base_lr\""});
  Write("solver.prototxt", With(kSolver, "0.1", "zero"));
  ExpectError({"train", "--solver=solver.prototxt"}, {"solver.prototxt:2: ", "zero"});
  Write("solver.prototxt", "\x89PNG\r\n\x1a\n");
  ExpectError({"train", "--solver=solver.prototxt"}, {"solver.prototxt: "});
}

TEST_F(ToolTest, MistakesInTheNet) {
  const auto expect = [&](const std::string& from, const std::string& to, const Words& parts) {
    Write("net.prototxt", With(kNet, from, to));
    ExpectError({"train", "--solver=solver.prototxt"}, parts);
    ExpectError({"show", "--model=net.prototxt"}, parts);
  };
  expect("\"InnerProduct\"", "\"InnerProdukt\"", {"layer 'fc'", "InnerProdukt", "InnerProduct"});
  expect("bottom: \"data\"", "bottom: \"dta\"", {"layer 'fc'", "'dta'", "data"});
  expect("dim: 4 dim: 3", "dim: 5 dim: 3", {"layer 'loss'", "5"});
  expect("num_output: 5", "num_output: 0", {"layer 'fc'", "num_output"});
  expect("\"xavier\"", "\"xaver\"", {"layer 'fc'", "xaver", "xavier"});
  expect("bottom: \"data\"", "bottom: \"data\" bottom: \"data\"", {"layer 'fc'", "2", "1"});
}

TEST_F(ToolTest, MistakesInTheSolver) {
  Write("solver.prototxt", With(kSolver, "\"fixed\"", "\"fixd\""));
  ExpectError({"train", "--solver=solver.prototxt"}, {"lr_policy", "'fixd'", "'fixed'"});
  Write("solver.prototxt", With(kSolver, "test_interval: 5", ""));
  ExpectError({"train", "--solver=solver.prototxt"}, {"test_interval"});
}

TEST_F(ToolTest, LabelsOutOfRange) {
  Write("net.prototxt", With(kNet, "value: 1", "value: 5"));
  ExpectError({"train", "--solver=solver.prototxt"}, {"label", "5", "layer '"});
  ExpectError({"time", "--model=net.prototxt"}, {"label", "layer 'loss'"});
}

TEST_F(ToolTest, WeightsOfAnotherShape) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  Write("net.prototxt", With(kNet, "num_output: 5", "num_output: 7"));
  const Words parts = {"layer 'fc'", "7 3 (21)", "5 3 (15)", "small_iter_10.caffemodel"};
  ExpectError({"train", "--solver=solver.prototxt", "--weights=small_iter_10.caffemodel"}, parts);
  ExpectError({"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"}, parts);
  ExpectError({"train", "--solver=solver.prototxt", "--snapshot=small_iter_10.solverstate"}, parts);
  ExpectError({"test", "--model=net.prototxt", "--weights=net.prototxt"},
              {"net.prototxt: ", "text file"});
}

TEST_F(ToolTest, DamagedSnapshots) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const std::string weights = Read("small_iter_10.caffemodel");
  ExpectError({"train", "--solver=solver.prototxt", "--snapshot=small_iter_10.caffemodel"},
              {"is a weights file", ".solverstate", "--weights"});
  Write("small_iter_10.caffemodel", weights.substr(0, weights.size() - 20));
  for (const Words& words :
       {Words{"train", "--solver=solver.prototxt", "--snapshot=small_iter_10.solverstate"},
        Words{"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"}}) {
    ExpectError(words, {"small_iter_10.caffemodel: "});
  }
  std::filesystem::remove(folder_ / "small_iter_10.caffemodel");
  ExpectError({"train", "--solver=solver.prototxt", "--snapshot=small_iter_10.solverstate"},
              {"small_iter_10.caffemodel is missing"});
}

TEST_F(ToolTest, DamagedDatabases) {
  UseImages();
  const std::string bytes = Read("images/data.mdb");
  for (const size_t kept : {bytes.size() / 2, bytes.size() - 100, size_t{4096}, size_t{10},
                            size_t{0}}) {
    Write("images/data.mdb", bytes.substr(0, kept));
    ExpectError({"train", "--solver=solver.prototxt"}, {"layer 'data'", "LMDB 'images'"});
  }
  std::filesystem::remove(folder_ / "images" / "data.mdb");
  ExpectError({"train", "--solver=solver.prototxt"}, {"layer 'data'", "'images'"});
  std::filesystem::remove_all(folder_ / "images");
  ExpectError({"train", "--solver=solver.prototxt"}, {"layer 'data'", "'images'"});
}

// --- snapshots -------------------------------------------------------------------------------

TEST_F(ToolTest, SnapshotFolderIsCheckedFirst) {
  Write("solver.prototxt", With(kSolver, "\"small\"", "\"nowhere/small\""));
  const ToolResult result = Run({"train", "--solver=solver.prototxt"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("\ncrema: "));
  EXPECT_THAT(result.err, testing::Not(HasSubstr("Iteration")));
  ExpectError({"train", "--solver=solver.prototxt"}, {"nowhere/", "No such file", "make the folder"});
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
  EXPECT_THAT(first.err, HasSubstr("No snapshot of small to resume; training starts anew"));
  const std::string weights = Read("small_iter_10.caffemodel");
  Write("small_iter_10.caffemodel", "half");
  const ToolResult second = Run(train);
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_THAT(second.err, HasSubstr("Passing over the snapshot small_iter_10.solverstate"));
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
  ExpectError({"train", "--solver=solver.prototxt"}, {"the first bad one is", "clip_gradients"});
}

// --- signals ---------------------------------------------------------------------------------

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
  ToolProcess train({"train", "--solver=solver.prototxt", "--sigint_effect=snapshot",
                     "--sighup_effect=stop"}, Here());
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
  EXPECT_EQ(Run({"train", "--solver=solver.prototxt", "--snapshot=small_iter_2.solverstate"})
                .status, 0);
}

// --- devices ---------------------------------------------------------------------------------

TEST_F(ToolTest, WithoutAGpu) {
  if (!ListCudaDevices().empty()) GTEST_SKIP() << "this machine has a GPU";
  ExpectError({"train", "--solver=solver.prototxt", "--gpu=0"}, {"GPU 0", WhyNoCuda()});
  ExpectError({"time", "--model=net.prototxt", "--gpu=0"}, {"GPU 0"});
  ExpectError({"device_query", "--gpu=0"}, {"no GPU"});
  const ToolResult query = Run({"device_query"});
  EXPECT_EQ(query.status, 0);
  EXPECT_THAT(query.out, StartsWith("No GPU: "));

  Write("solver.prototxt", With(kSolver, "solver_mode: CPU", "solver_mode: GPU"));
  const ToolResult result = Run({"train", "--solver=solver.prototxt"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, testing::ContainsRegex("(^|\n)W[^\n]*solver_mode: GPU, but [^\n]*CPU"));
  EXPECT_TRUE(Has("small_iter_10.caffemodel"));
}

// --- the whole way ---------------------------------------------------------------------------

TEST_F(ToolTest, TrainsAndTests) {
  UseImages();
  const ToolResult train = Run({"train", "--solver=solver.prototxt"});
  ASSERT_EQ(train.status, 0) << train.err;
  EXPECT_EQ(train.out, "");
  Words messages;
  for (const std::string& line : SplitLines(train.err)) {
    if (IsLogLine(line)) messages.push_back(line.substr(line.find("] ") + 2));
  }
  // What Caffe's own tools look for, in its order.
  const Words expected = {
      "Use CPU.", "Creating training net from net file: net.prototxt", "Starting Optimization",
      "Solving small", "Learning Rate Policy: fixed", "Iteration 0, Testing net (#0)",
      "    Test net output #0: accuracy = ", "    Test net output #1: loss = ",
      "Iteration 0 (", "    Train net output #0: loss = ", "Iteration 0, lr = 0.1",
      "Iteration 5, Testing net (#0)", "Iteration 5 (", "Iteration 5, lr = 0.1",
      "Snapshotting to binary proto file small_iter_10.caffemodel",
      "Snapshotting solver state to binary proto file small_iter_10.solverstate",
      "Iteration 10, loss = ", "Iteration 10, Testing net (#0)", "Optimization Done."};
  size_t at = 0;
  for (const std::string& message : messages) {
    if (at < expected.size() && message.rfind(expected[at], 0) == 0) ++at;
  }
  EXPECT_EQ(at, expected.size()) << "not found: " << (at < expected.size() ? expected[at] : "");

  const ToolResult test = Run({"test", "--model=net.prototxt", "--iterations=3",
                               "--weights=small_iter_10.caffemodel"});
  ASSERT_EQ(test.status, 0) << test.err;
  for (const char* part : {"Running for 3 iterations.", "] Batch 0, accuracy = ",
                           "] Batch 2, loss = ", "] Loss: ", "] accuracy = ", "] loss = "}) {
    EXPECT_THAT(test.err, HasSubstr(part));
  }
  EXPECT_THAT(test.err, testing::Not(HasSubstr("Batch 3")));
}

TEST_F(ToolTest, TestGivesMeansOverBatches) {
  Write("net.prototxt", With(With(kNet, "type: \"gaussian\" std: 1", "value: 0"), "value: 1",
                             "value: 4"));
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const ToolResult test = Run({"test", "--model=net.prototxt", "--iterations=2",
                               "--weights=small_iter_10.caffemodel"});
  // Ten updates have raised the bias of class 4 alone.
  EXPECT_THAT(test.err, HasSubstr("] accuracy = 1\n"));
  EXPECT_THAT(test.err, testing::ContainsRegex("\\] loss = ([0-9.]+) \\(\\* 1 = ([0-9.]+) loss\\)\n"));
}

TEST_F(ToolTest, EveryLogLineHasThePrefix) {
  const ToolResult result = Run({"time", "--model=net.prototxt", "--iterations=2"});
  ASSERT_EQ(result.status, 0);
  for (const std::string& line : SplitLines(result.err)) EXPECT_TRUE(IsLogLine(line)) << line;
}

TEST_F(ToolTest, TimesEveryLayer) {
  const ToolResult result = Run({"time", "--model=net.prototxt", "--iterations=2"});
  ASSERT_EQ(result.status, 0);
  for (const char* part :
       {"Performing Forward\n", "Initial loss: ", "Performing Backward\n",
        "*** Benchmark begins ***\n", "Testing for 2 iterations.\n",
        "Iteration: 2 forward-backward time: ", "        fc\tforward: ", "        fc\tbackward: ",
        "      loss\tforward: ", "Average Forward pass: ", "Average Backward pass: ",
        "Average Forward-Backward: ", "Total Time: ", "*** Benchmark ends ***\n"}) {
    EXPECT_THAT(result.err, HasSubstr(part));
  }
  EXPECT_THAT(result.err, testing::Not(HasSubstr("accuracy")));
}

TEST_F(ToolTest, TimeWritesWhatItMeasured) {
  const ToolResult result =
      Run({"time", "--model=net.prototxt", "--iterations=2", "--json=times.json"});
  ASSERT_EQ(result.status, 0) << result.err;
  for (const char* part : {"Training iteration: ", "images/s", ", update ", "Peak memory: ",
                           "sgemm reaches "}) {
    EXPECT_THAT(result.err, HasSubstr(part));
  }
  const std::string json = Read("times.json");
  for (const char* key : {"iteration_ms", "forward_ms", "backward_ms", "update_ms",
                          "images_per_second", "peak_bytes"}) {
    const size_t at = json.find("\"" + std::string(key) + "\": ");
    ASSERT_NE(at, std::string::npos) << json;
    EXPECT_GT(std::stod(json.substr(json.find(':', at) + 1)), 0) << key;
  }
  EXPECT_THAT(json, HasSubstr("\"layers\": [\n    {\"name\": "));
  EXPECT_THAT(json, HasSubstr("\"type\": \"InnerProduct\""));
  EXPECT_EQ(json.substr(json.size() - 7), "\n  ]\n}\n");
  const ToolResult refused =
      Run({"time", "--model=net.prototxt", "--iterations=1", "--json=none/times.json"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("--json=none/times.json"));
}

TEST_F(ToolTest, InPhaseTestTimeRunsForwardOnly) {
  const ToolResult result = Run({"time", "--model=net.prototxt", "--iterations=1", "--phase=TEST"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("forward only"));
  EXPECT_THAT(result.err, HasSubstr("Inference (forward only): "));
  EXPECT_THAT(result.err, HasSubstr("  accuracy\tforward: "));
  EXPECT_THAT(result.err, testing::Not(HasSubstr("backward")));
}

TEST_F(ToolTest, FusionCanBeTurnedOff) {
  Write("fused.prototxt",
        "layer { name: 'x' type: 'DummyData' top: 'x' dummy_data_param { shape { dim: 2 dim: 3 } } }"
        "layer { name: 'bn' type: 'BatchNorm' bottom: 'x' top: 'y' }"
        "layer { name: 'scale' type: 'Scale' bottom: 'y' top: 'y' }");
  EXPECT_THAT(Run({"show", "--model=fused.prototxt"}).out, HasSubstr("done by 'bn'"));
  EXPECT_THAT(Run({"show", "--model=fused.prototxt", "--no-fuse"}).out,
              testing::Not(HasSubstr("done by")));
  for (const char* phase : {"--phase=TRAIN", "--phase=TEST"}) {
    EXPECT_EQ(Run({"time", "--model=fused.prototxt", "--iterations=1", "--no-fuse", phase}).status,
              0);
  }
}

TEST_F(ToolTest, ShowsThePlan) {
  const ToolResult result = Run({"show", "--model=net.prototxt"});
  ASSERT_EQ(result.status, 0);
  for (const char* part : {"net 'small', phase TRAIN", "InnerProduct", "4x5", "5x3, 5",
                           "outputs: loss", "values", "gradients", "memory of a pass: ",
                           "sharing saves "}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  EXPECT_THAT(Run({"show", "--model=net.prototxt", "--phase=TEST"}).out,
              HasSubstr("outputs: accuracy loss"));
}

TEST_F(ToolTest, StagesAndLevelsChooseLayers) {
  Write("net.prototxt", std::string(kNet) +
        "layer { name: 'staged' type: 'Softmax' bottom: 'fc' top: 'staged' "
        "include { stage: 'deploy' min_level: 2 } }");
  const auto show = [&](const Words& more) {
    Words words = {"show", "--model=net.prototxt"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words).out;
  };
  EXPECT_THAT(show({"--stage=other,deploy", "--level=2"}), HasSubstr("staged"));
  EXPECT_THAT(show({"--stage=deploy"}), testing::Not(HasSubstr("staged")));
  EXPECT_THAT(show({"--level=2"}), testing::Not(HasSubstr("staged")));
}

}  // namespace
}  // namespace crema
