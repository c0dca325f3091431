// The command-line tool: each command, from files to what it prints.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <regex>

#include "schema/hdf5_io.h"
#include "tools/tool_test.h"

namespace crema {
namespace {

using testing::HasSubstr;

// The prefix of every log line: no year, as in Caffe's own logs.
bool IsLogLine(const std::string& line) {
  static const std::regex prefix(
      R"([IWEF][01][0-9][0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6} +[0-9]+ [a-z0-9_]+\.cpp:[0-9]+\] .*)");
  return std::regex_match(line, prefix);
}

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
      "Use CPU.",
      "Creating training net from net file: net.prototxt",
      "Starting Optimization",
      "Solving small",
      "Learning Rate Policy: fixed",
      "Iteration 0, Testing net (#0)",
      "    Test net output #0: accuracy = ",
      "    Test net output #1: loss = ",
      "Iteration 0 (",
      "    Train net output #0: loss = ",
      "Iteration 0, lr = 0.1",
      "Iteration 5, Testing net (#0)",
      "Iteration 5 (",
      "Iteration 5, lr = 0.1",
      "Snapshotting to binary proto file small_iter_10.caffemodel",
      "Snapshotting solver state to binary proto file small_iter_10.solverstate",
      "Iteration 10, loss = ",
      "Iteration 10, Testing net (#0)",
      "Optimization Done."};
  size_t at = 0;
  for (const std::string& message : messages) {
    if (at < expected.size() && message.rfind(expected[at], 0) == 0) ++at;
  }
  EXPECT_EQ(at, expected.size()) << "not found: " << (at < expected.size() ? expected[at] : "");

  const ToolResult test =
      Run({"test", "--model=net.prototxt", "--iterations=3", "--weights=small_iter_10.caffemodel"});
  ASSERT_EQ(test.status, 0) << test.err;
  for (const char* part : {"Running for 3 iterations.", "] Batch 0, accuracy = ",
                           "] Batch 2, loss = ", "] Loss: ", "] accuracy = ", "] loss = "}) {
    EXPECT_THAT(test.err, HasSubstr(part));
  }
  EXPECT_THAT(test.err, testing::Not(HasSubstr("Batch 3")));
}

TEST_F(ToolTest, TestGivesMeansOverBatches) {
  Write("net.prototxt",
        With(With(kNet, "type: \"gaussian\" std: 1", "value: 0"), "value: 1", "value: 4"));
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const ToolResult test =
      Run({"test", "--model=net.prototxt", "--iterations=2", "--weights=small_iter_10.caffemodel"});
  // Ten updates have raised the bias of class 4 alone.
  EXPECT_THAT(test.err, HasSubstr("] accuracy = 1\n"));
  EXPECT_THAT(test.err,
              testing::ContainsRegex("\\] loss = ([0-9.]+) \\(\\* 1 = ([0-9.]+) loss\\)\n"));
}

// The value after "NAME = " at the start of a line of standard output.
double ResultOf(const ToolResult& result, const std::string& name) {
  for (const std::string& line : SplitLines(result.out)) {
    const std::string start = name + " = ";
    if (line.rfind(start, 0) == 0) return std::stod(line.substr(start.size()));
  }
  ADD_FAILURE() << name << " is not in\n" << result.out << result.err;
  return -1;
}

// 11 records in batches of 4: what a batch of 11 gives in one pass.
TEST_F(ToolTest, TestTakesEachRecordOnce) {
  UseImages();
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const Words words = {"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"};
  const ToolResult whole = Run(words);
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_THAT(whole.err, HasSubstr("One pass over 11 records: 2 batches of 4 and one of 3\n"));
  EXPECT_THAT(whole.err, HasSubstr("] Batch 2, loss = "));
  EXPECT_THAT(whole.err, testing::Not(HasSubstr("Batch 3")));
  Write("net.prototxt", With(Read("net.prototxt"), "batch_size: 4", "batch_size: 11"));
  const ToolResult one = Run(words);
  EXPECT_THAT(one.err, HasSubstr("One pass over 11 records: 1 batch of 11\n"));
  EXPECT_NEAR(ResultOf(whole, "accuracy"), ResultOf(one, "accuracy"), 1e-6);
  EXPECT_NEAR(ResultOf(whole, "loss"), ResultOf(one, "loss"), 1e-5);
  Write("net.prototxt", With(Read("net.prototxt"), "batch_size: 11", "batch_size: 100"));
  const ToolResult few = Run(words);
  EXPECT_THAT(few.err, HasSubstr("0 batches of 100 and one of 11\n"));
  EXPECT_NEAR(ResultOf(few, "loss"), ResultOf(one, "loss"), 1e-5);
}

// A number that is given is Caffe's: whole batches.
TEST_F(ToolTest, TestRunsTheBatchesThatAreAskedFor) {
  UseImages();
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const ToolResult result = Run(
      {"test", "--model=net.prototxt", "--iterations=50", "--weights=small_iter_10.caffemodel"});
  EXPECT_THAT(result.err, HasSubstr("Running for 50 iterations.\n"));
  EXPECT_THAT(result.err, HasSubstr("] Batch 49, loss = "));
  EXPECT_THAT(result.err, testing::Not(HasSubstr("One pass")));
}

// Without a data set there is no pass; Caffe's 50 batches are run.
TEST_F(ToolTest, TestOfRandomDataRuns50Batches) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const ToolResult result =
      Run({"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("no layer of the net reads a data set"));
  EXPECT_THAT(result.err, HasSubstr("Running for 50 iterations.\n"));
  EXPECT_EQ(SplitLines(result.out).size(), 2u) << result.out;
}

// The rows of a file that a net writes are those of the records.
TEST_F(ToolTest, TestWritesEachRecordOnce) {
  UseImages();
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  Write("net.prototxt", Read("net.prototxt") +
                            "layer { name: 'out' type: 'HDF5Output' bottom: 'fc' bottom: 'label' "
                            "include { phase: TEST } hdf5_output_param { file_name: 'fc.h5' } }");
  const ToolResult result =
      Run({"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("11 batches of 1\n"));  // 11 is prime
  EXPECT_EQ(Hdf5File::Open((folder_ / "fc.h5").string()).Shape("data")[0], 11);
}

// Neither the files nor the database that the nets come from.
TEST_F(ToolTest, ReportsDoNotReplaceWhatIsRead) {
  UseImages();
  const Words time = {"time", "--model=net.prototxt", "--iterations=1"};
  const Words train = {"train", "--solver=solver.prototxt"};
  const auto expect = [&](Words words, const std::string& flag, const std::string& what) {
    words.push_back(flag);
    ExpectError(words, {what, "read"});
  };
  const std::string net = Read("net.prototxt");
  const Words files = FilesIn(folder_ / "images");
  expect(time, "--json=net.prototxt", "this file");
  expect(time, "--json=images/data.mdb", "this file");
  expect(time, "--json=images/time.json", "'images'");
  expect(train, "--metrics=net.prototxt", "this file");
  expect(train, "--metrics=solver.prototxt", "this file");
  expect(train, "--metrics=images/metrics", "'images'");
  expect(train, "--tensorboard=images", "'images'");
  EXPECT_EQ(Read("net.prototxt"), net);
  EXPECT_EQ(FilesIn(folder_ / "images"), files);
}

class Hdf5OutputToolTest : public ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
    plain_ = Read("net.prototxt");
    Add("include { phase: TEST }", "fc.h5");
  }
  // The plain net, with a layer that writes to the file.
  void Add(const std::string& rule, const std::string& file, const std::string& more = "") const {
    Write("net.prototxt", plain_ +
                              "layer { name: 'out' type: 'HDF5Output' bottom: 'fc' bottom: "
                              "'label' " +
                              rule + " hdf5_output_param { file_name: '" + file + "' } }\n" + more);
  }
  static Words Test(const std::string& weights = "small_iter_10.caffemodel") {
    return {"test", "--model=net.prototxt", "--weights=" + weights, "--iterations=3"};
  }
  int64_t Rows(const std::string& file) const {
    return Hdf5File::Open((folder_ / file).string()).Shape("data")[0];
  }

  std::string plain_;
};

// What an earlier run has computed may have taken hours.
TEST_F(Hdf5OutputToolTest, ARunThatFailsLeavesTheFile) {
  ASSERT_EQ(Run(Test()).status, 0);
  EXPECT_EQ(Rows("fc.h5"), 12);
  const std::string before = Read("fc.h5");
  const Words files = FilesIn(folder_);
  ExpectError(Test("nosuch.caffemodel"), {"nosuch.caffemodel"});
  Add("", "fc.h5", "layer { name: 'bad' type: 'InnerProduct' bottom: 'fc' top: 'bad' }");
  ExpectError(Test(), {"'bad'"});
  // The labels of the second batch are none; the first one is written by then.
  Add("", "fc.h5",
      "layer { name: 'z' type: 'DummyData' top: 'z' dummy_data_param { shape { dim: 4 "
      "} data_filler { type: 'constant' value: 7 } } } layer { name: 'wrong' type: "
      "'SoftmaxWithLoss' bottom: 'fc' bottom: 'z' top: 'wrong' }");
  ExpectError(Test(), {"'wrong'", "7"});
  EXPECT_EQ(Read("fc.h5"), before);
  EXPECT_EQ(FilesIn(folder_), files);
}

TEST_F(Hdf5OutputToolTest, AnInterruptedRunLeavesTheFile) {
  ASSERT_EQ(Run(Test()).status, 0);
  const std::string before = Read("fc.h5");
  ToolOptions options = Here();
  options.environment = WithFault({"CREMA_RAISE_AT=Batch 2,", Concat("CREMA_RAISE=", SIGKILL)});
  EXPECT_EQ(RunTool(Test(), options).status, -SIGKILL);
  EXPECT_EQ(Read("fc.h5"), before);
  for (const std::string& name : FilesIn(folder_)) {
    const bool is_left = name.rfind("fc.h5.tmp.", 0) == 0;
    EXPECT_EQ(is_left ? Rows(name) : 12, 12) << "not all that was done";
  }
}

TEST_F(Hdf5OutputToolTest, AFinishedTrainingLeavesTheFile) {
  for (const char* phase : {"TRAIN", "TEST"}) {
    std::filesystem::remove(folder_ / "fc.h5");
    std::filesystem::remove(folder_ / "small_iter_10.solverstate");
    Add(Concat("include { phase: ", phase, " }"), "fc.h5");
    const Words train = {"train", "--solver=solver.prototxt", "--resume=auto"};
    ASSERT_EQ(Run(train).status, 0);
    const std::string before = Read("fc.h5");
    EXPECT_GE(Rows("fc.h5"), 24);
    ASSERT_EQ(Run(train).status, 0);
    EXPECT_EQ(Read("fc.h5"), before);
  }
}

TEST_F(Hdf5OutputToolTest, NoFileThatIsReadIsReplaced) {
  Add("", "net.prototxt");
  ExpectError(Test(), {"net.prototxt", "not an HDF5 file", "remove it"});
  Add("", "small_iter_10.caffemodel");
  ExpectError(Test(), {"small_iter_10.caffemodel", "not an HDF5 file"});
  Write("solver.prototxt", std::string(kSolver) + "snapshot_format: HDF5\n");
  Write("net.prototxt", plain_);
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const std::string weights = Read("small_iter_10.caffemodel.h5");
  Add("", "./small_iter_10.caffemodel.h5");
  ExpectError(Test("small_iter_10.caffemodel.h5"),
              {"'out'", "./small_iter_10.caffemodel.h5", "would be overwritten"});
  EXPECT_EQ(Read("small_iter_10.caffemodel.h5"), weights);
}

TEST_F(Hdf5OutputToolTest, ADataSetIsNotReplaced) {
  ASSERT_EQ(Run(Test()).status, 0);
  const std::string before = Read("fc.h5");
  Write("list", "fc.h5\n");
  Write("net.prototxt",
        "layer { name: 'in' type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param { source: "
        "'list' batch_size: 2 } } layer { name: 'fc' type: 'InnerProduct' bottom: 'data' top: 'fc' "
        "inner_product_param { num_output: 5 } } layer { name: 'out' type: 'HDF5Output' bottom: "
        "'data' bottom: 'label' hdf5_output_param { file_name: 'fc.h5' } }");
  ExpectError({"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"},
              {"'out'", "fc.h5", "would be overwritten"});
  EXPECT_EQ(Read("fc.h5"), before);
}

// Both are whole; the one that ends last stays.
TEST_F(Hdf5OutputToolTest, TwoRunsDoNotDisturbEachOther) {
  Words long_run = Test();
  long_run.back() = "--iterations=3000";
  ToolProcess first(long_run, Here());
  ASSERT_TRUE(first.WaitFor("Batch 5,"));
  const ToolResult second = Run(Test());
  EXPECT_EQ(second.status, 0) << second.err;
  const ToolResult result = first.Finish();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Rows("fc.h5") % 12, 0);
  for (const std::string& name : FilesIn(folder_)) EXPECT_EQ(name.find(".tmp."), name.npos);
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
  for (const char* part :
       {"Training iteration: ", "images/s", ", update ", "Peak memory: ", "sgemm reaches "}) {
    EXPECT_THAT(result.err, HasSubstr(part));
  }
  const std::string json = Read("times.json");
  for (const char* key : {"iteration_ms", "iteration_mean_ms", "forward_ms", "backward_ms",
                          "update_ms", "images_per_second", "peak_bytes"}) {
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
  Write(
      "fused.prototxt",
      "layer { name: 'x' type: 'DummyData' top: 'x' dummy_data_param { shape { dim: 2 dim: 3 } } }"
      "layer { name: 'bn' type: 'BatchNorm' bottom: 'x' top: 'y' }"
      "layer { name: 'scale' type: 'Scale' bottom: 'y' top: 'y' }");
  EXPECT_THAT(Run({"show", "--model=fused.prototxt", "--engines"}).out, HasSubstr("done by 'bn'"));
  EXPECT_THAT(Run({"show", "--model=fused.prototxt", "--engines", "--no-fuse"}).out,
              testing::Not(HasSubstr("done by")));
  for (const char* phase : {"--phase=TRAIN", "--phase=TEST"}) {
    EXPECT_EQ(Run({"time", "--model=fused.prototxt", "--iterations=1", "--no-fuse", phase}).status,
              0);
  }
}

// Images of 8 MB each, so that no cache holds all of them.
TEST_F(ToolTest, SlicesCanBeTurnedOff) {
  Write("sliced.prototxt",
        "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 4096 dim: 8 dim: 512 "
        "dim: 512 } } }"
        "layer { name: 'p' type: 'Pooling' bottom: 'x' top: 'p' pooling_param { kernel_size: 2 } }"
        "layer { name: 't' type: 'TanH' bottom: 'p' top: 't' }");
  const auto show = [&](Words more) {
    more.insert(more.begin(), {"show", "--model=sliced.prototxt", "--engines"});
    return Run(more).out;
  };
  EXPECT_THAT(show({"--phase=TEST"}), HasSubstr("runs in "));
  EXPECT_THAT(show({"--phase=TEST", "--no-slices"}), testing::Not(HasSubstr("runs in ")));
  EXPECT_THAT(show({}), testing::Not(HasSubstr("runs in ")));
}

TEST_F(ToolTest, TimesNetsWhoseLabelsAreInputs) {
  Write(
      "labels.prototxt",
      "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 "
      "} } }"
      "layer { name: 'label' type: 'Input' top: 'label' input_param { shape { dim: 2 dim: 1 dim: "
      "4 dim: 4 } } }"
      "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x' bottom: 'label' top: 'loss' }"
      "layer { name: 'accuracy' type: 'Accuracy' bottom: 'x' bottom: 'label' top: 'accuracy' }");
  const ToolResult result =
      Run({"time", "--model=labels.prototxt", "--iterations=1", "--phase=TEST"});
  EXPECT_EQ(result.status, 0) << result.err;
}

TEST_F(ToolTest, ShowsTheLayers) {
  const ToolResult result = Run({"show", "--model=net.prototxt"});
  ASSERT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("net 'small', phase TRAIN"));
  EXPECT_THAT(result.out, testing::ContainsRegex("\nlayer +type +output +parameters +mult-adds +"
                                                 "memory\n"));
  // 5 x 3 weights and 5 biases, 4 x 15 products, 4 x 5 values with their gradients.
  EXPECT_THAT(result.out, testing::ContainsRegex("\nfc +InnerProduct +4x5 +20 +60 +160 B\n"));
  EXPECT_THAT(result.out, testing::ContainsRegex("\nsum +20 +60 +"));
  EXPECT_THAT(result.out, HasSubstr("outputs: loss"));
  EXPECT_THAT(result.out, HasSubstr("learned parameters: 20\n"));
  EXPECT_THAT(Run({"show", "--model=net.prototxt", "--phase=TEST"}).out,
              HasSubstr("outputs: accuracy loss"));
  const std::string summary = Run({"show", "--model=net.prototxt", "--summary"}).out;
  EXPECT_THAT(summary, testing::ContainsRegex("\nmemory: [0-9.]+ k?B, the sum of\n"));
  EXPECT_THAT(summary, testing::Not(HasSubstr("InnerProduct")));
  const std::string all = Run({"show", "--model=net.prototxt", "--verbose"}).out;
  for (const char* part : {"5x3, 5", "data, label", "sharing saves "}) {
    EXPECT_THAT(all, HasSubstr(part));
  }
}

TEST_F(ToolTest, ShowsWhyALayerHasItsEngine) {
  Write("double.prototxt",
        "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 1 dim: 2 dim: 4 "
        "dim: 4 } } }"
        "layer { name: 'relu' type: 'ReLU' bottom: 'x' top: 'y' engine: CAFFE }");
  const std::string plain = Run({"show", "--model=net.prototxt"}).out;
  const std::string engines = Run({"show", "--model=net.prototxt", "--engines"}).out;
  EXPECT_THAT(plain, testing::Not(HasSubstr("engine")));
  EXPECT_THAT(engines, testing::ContainsRegex("\nlayer +type +engine +memory order\n"));
}

// What the two ends of a terminal of 80 columns show.
class Terminal {
 public:
  Terminal() : screen_(posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_EQ(grantpt(screen_), 0);
    EXPECT_EQ(unlockpt(screen_), 0);
    program_ = open(ptsname(screen_), O_RDWR | O_NOCTTY);
    winsize size{};
    size.ws_col = 80;
    EXPECT_EQ(ioctl(program_, TIOCSWINSZ, &size), 0);
  }
  ~Terminal() { close(screen_); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // What the tool shows there.
  std::string Run(const Words& words, ToolOptions options) {
    options.standard_output = program_;
    EXPECT_EQ(RunTool(words, options).status, 0);
    close(program_);
    std::string shown;
    char bytes[4096];
    for (ssize_t n; (n = read(screen_, bytes, sizeof bytes)) > 0;) shown.append(bytes, n);
    shown.erase(std::remove(shown.begin(), shown.end(), '\r'), shown.end());
    return shown;
  }

 private:
  int screen_, program_ = -1;
};

// Long names give way, but only there: what a program reads is whole.
TEST_F(ToolTest, ShowFitsATerminal) {
  std::string net = kNet;
  const std::string name(120, 'n');
  net = With(With(net, "name: \"fc\"", "name: \"first" + name + "last\""),
             "shape { dim: 4 dim: 3 }", "shape { dim: 4 dim: 1000 dim: 1000 }");
  Write("net.prototxt", net);
  for (const std::string option : {"--summary=false", "--engines", "--summary"}) {
    const std::string shown = Terminal().Run({"show", "--model=net.prototxt", option}, Here());
    EXPECT_THAT(shown, HasSubstr("memory: "));
    for (const std::string& line : SplitLines(shown)) EXPECT_LE(line.size(), 80u) << line;
  }
  EXPECT_THAT(Terminal().Run({"show", "--model=net.prototxt"}, Here()),
              testing::ContainsRegex("\nfirstn+\\.\\.n*last +InnerProduct "));
  for (const std::string option : {"--summary=false", "--engines"}) {
    EXPECT_THAT(Run({"show", "--model=net.prototxt", option}).out,
                HasSubstr("\nfirst" + name + "last  InnerProduct "));
  }
}

// The log of training has one line for each net. What they take adds up to what was planned.
TEST_F(ToolTest, TrainingSaysWhatItsNetsTake) {
  const ToolResult result = Run({"train", "--solver=solver.prototxt"});
  ASSERT_EQ(result.status, 0) << result.err;
  std::smatch planned;
  ASSERT_TRUE(std::regex_search(result.err, planned,
                                std::regex("training net ([0-9.]+ k?B), test nets ([0-9.]+ k?B)")))
      << result.err;
  EXPECT_THAT(result.err, HasSubstr("] Training net 'small', phase TRAIN: 3 layers, 20 learned "
                                    "parameters, 60 multiply-adds per pass, memory " +
                                    planned[1].str() + " ("));
  EXPECT_THAT(result.err, HasSubstr("memory " + planned[2].str() + " in addition to the "));
  EXPECT_THAT(result.err, testing::Not(HasSubstr("data, label")));
  EXPECT_THAT(Run({"train", "--solver=solver.prototxt", "--verbose"}).err,
              HasSubstr("data, label"));
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
