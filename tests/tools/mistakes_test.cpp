// The command-line tool: how it answers mistakes of usage and in files.
#include "crema/device.h"
#include "tools/tool_test.h"

namespace crema {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// --- usage -----------------------------------------------------------------------------------

TEST_F(ToolTest, EveryCommandHasHelp) {
  for (const std::string command :
       {"train", "test", "time", "show", "device_query", "convert", "plot", "mean"}) {
    const ToolResult help = Run({command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_EQ(help.err, "") << command;
    EXPECT_THAT(help.out, StartsWith("usage: crema " + command));
    EXPECT_THAT(help.out, HasSubstr("options:\n  --"));
    EXPECT_EQ(Run({"help", command}).out, help.out);
    EXPECT_EQ(Run({"-h", command}).out, help.out);
    for (const std::string& line : SplitLines(help.out)) EXPECT_LE(line.size(), 80u) << line;
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
  EXPECT_THAT(nothing.err, HasSubstr("no help on 'nothing'"));
}

TEST_F(ToolTest, NoCommandShowsTheUsage) {
  const ToolResult result = Run({});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, Run({"--help"}).out);
}

TEST_F(ToolTest, WrongUsageIsStatus2) {
  ExpectUsageError({"trian"}, {"'trian'", "did you mean 'train'?"});
  ExpectUsageError({"zzzzzz"}, {"unknown command 'zzzzzz' (see crema --help)"});
  ExpectUsageError({"hepl"}, {"did you mean 'help'?"});
  ExpectUsageError({""}, {"unknown command ''"});
  ExpectUsageError({"train", "--solvr=x"}, {"--solvr", "did you mean --solver?"});
  ExpectUsageError({"train", "--dummy_data=x"}, {"crema train has no option --dummy_data"});
  ExpectUsageError({"show", "--nofuze"}, {"crema show has no option --nofuze", "--no_fuse"});
  ExpectUsageError({"show", "--plugins=a.so", "--plugins=b.so"},
                   {"--plugins is given twice, as a.so and as b.so", "--plugins=a.so,b.so"});
  ExpectUsageError({"train", "--", "--solver=x"}, {"unexpected argument '--solver=x'"});
  ExpectUsageError({"train"}, {"--solver=FILE is missing", "(see crema train --help)"});
  ExpectUsageError({"convert", "mnist", "a"}, {"IMAGES LABELS OUT_DB, but got 1 argument (see"});
  ExpectUsageError({"convert", "mnist", "a", "b"}, {"but got 2 arguments (see crema convert"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "solver.prototxt"},
                   {"unexpected argument 'solver.prototxt'"});
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
  ExpectUsageError({"device_query", "now"}, {"unexpected argument 'now'"});
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

// Scripts give Caffe's flags, which are global there, to every command.
TEST_F(ToolTest, FlagsOfCaffesOtherCommandsAreIgnoredWithOneWarning) {
  const ToolResult time = Run({"time", "--model=net.prototxt", "-weights", "x.caffemodel",
                               "--iterations=1", "--solver=y", "--sighup_effect=none"});
  EXPECT_EQ(time.status, 0) << time.err;
  EXPECT_THAT(time.err, testing::ContainsRegex("(^|\n)W[^\n]*crema time does not use --weights, "
                                               "--solver, --sighup_effect; ignored\n"));
  Write("solver.prototxt", With(kSolver, "max_iter: 10", "max_iter: 1"));
  const ToolResult train =
      Run({"train", "--solver=solver.prototxt", "--model=x", "--phase=TEST", "--iterations=3"});
  EXPECT_EQ(train.status, 0) << train.err;
  EXPECT_THAT(train.err, HasSubstr("does not use --model, --phase, --iterations; ignored"));
  EXPECT_THAT(Run({"test", "--model=net.prototxt", "--weights=small_iter_1.caffemodel",
                   "--phase=TRAIN", "--snapshot=x", "--iterations=1"})
                  .err,
              HasSubstr("does not use --phase, --snapshot; ignored"));
  EXPECT_EQ(Run({"device_query", "--model=x"}).status, 0);
  ExpectUsageError({"time", "--model=net.prototxt", "--weigths=x"}, {"did you mean --weights?"});
}

TEST_F(ToolTest, WrongValuesOfFlagsSayWhatIsExpected) {
  const std::string integer = ": the value must be an integer from -2147483648 to 2147483647";
  for (const std::string value : {"abc", "", "1.5", "3000000000", "10x"}) {
    ExpectUsageError({"time", "--model=net.prototxt", "--iterations=" + value},
                     {"--iterations=" + value + integer});
  }
  ExpectUsageError({"show", "--model=net.prototxt", "--summary=maybe"},
                   {"--summary=maybe: the value must be true or false"});
  ExpectUsageError(
      {"convert", "folder", "a", "b", "--shuffle_seed=-1"},
      {"--shuffle_seed=-1: the value must be an integer from 0 to 18446744073709551615"});
}

TEST_F(ToolTest, FlagsTakeTheFormsOfGflags) {
  Write("flags", "# for timing\n--iterations=1\n\n  --model=net.prototxt  \n--nologtostderr\n");
  EXPECT_EQ(Run({"time", "--flagfile=flags"}).status, 0);
  EXPECT_EQ(Run({"--flagfile", "flags", "time"}).status, 0);
  EXPECT_EQ(Run({"time", "--flagfile=flags", "--nologtostderr", "--noalsologtostderr"}).err, "");
  EXPECT_EQ(Run({"show", "--model=net.prototxt", "--nono_fuse", "--noverbose"}).status, 0);
  for (const std::string flag : {"--vmodule=net=1", "--log_prefix=false", "--logbufsecs=0",
                                 "--stop_logging_if_full_disk", "--max_log_size=5"}) {
    EXPECT_EQ(Run({"time", "--flagfile=flags", flag}).status, 0) << flag;
  }
  EXPECT_EQ(Run({"time", "--flagfile=flags", "--undefok=fast", "--fast=1"}).status, 0);
  ExpectUsageError({"time", "--flagfile=flags", "--fast=1"}, {"no option --fast"});
  ExpectUsageError({"time", "--flagfile=none"}, {"--flagfile=none: the file cannot be read"});
  Write("bad", "iterations=1\n");
  ExpectUsageError({"time", "--flagfile=bad"}, {"'iterations=1'", "one --name=value per line"});
  Write("loop", "--flagfile=loop\n");
  ExpectUsageError({"time", "--flagfile=loop"}, {"endlessly"});
  ExpectUsageError({"time", "--nologtostderr=1"}, {"takes no value"});
  ToolOptions options = Here();
  options.environment = {"FLAGS_model=net.prototxt", "FLAGS_iterations=1"};
  EXPECT_EQ(RunTool({"time", "--fromenv=model,iterations"}, options).status, 0);
  EXPECT_EQ(RunTool({"time", "--tryfromenv=model,gpu", "--iterations=1"}, options).status, 0);
  ExpectUsageError({"time", "--fromenv=model"}, {"FLAGS_model is not set"});
  EXPECT_THAT(Run({"time", "--helpxml"}).out, HasSubstr("<AllFlags>"));
  EXPECT_EQ(Run({"time", "--helpshort"}).out, Run({"time", "--help"}).out);
}

TEST_F(ToolTest, TellsItsVersion) {
  const ToolResult version = Run({"version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.err, "");
  for (const char* part : {"compiler: ", "engines on the CPU: ", "libcrema: ", "CUDA: "}) {
    EXPECT_THAT(version.out, HasSubstr(part));
  }
  for (const char* name :
       {"crema", "OpenBLAS:", "OpenCV:", "LMDB:", "LevelDB:", "HDF5:", "protobuf:"}) {
    EXPECT_THAT(version.out, testing::ContainsRegex(std::string(name) + " [^\n]*[0-9]\\.[0-9]"));
  }
  EXPECT_EQ(Run({"--version"}).out, version.out);
  EXPECT_EQ(Run({"-V"}).out, version.out);
  EXPECT_EQ(Run({"train", "--version"}).out, version.out);
}

// Caffe's programs and scripts.
TEST_F(ToolTest, NamesOfCaffesToolsTellWhatToUse) {
  const std::pair<std::string, std::string> cases[] = {
      {"convert_imageset", "crema convert imageset"},
      {"convert_imagset", "crema convert imageset"},
      {"compute_image_mean.bin", "crema mean"},
      {"extract_features", "HDF5Output"},
      {"upgrade_net_proto_text", "as they are"},
      {"upgrade_net_proto_binary", "as they are"},
      {"upgrade_solver_proto_text", "as they are"},
      {"convert_cifar_data", "crema convert cifar10"},
      {"convert_mnist_data", "crema convert mnist"},
      {"train_net", "crema train"},
      {"finetune_net", "--weights"},
      {"test_net", "crema test"},
      {"net_speed_benchmark", "crema time"},
      {"tools/extra/parse_log.py", "--metrics"},
  };
  for (const auto& [name, use] : cases) {
    ExpectUsageError({name, "--shuffle", "a", "b"}, {"unknown command '" + name + "'", use});
  }
  const ToolResult help = Run({"help", "convert_imageset"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("crema convert imageset"));
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
  ExpectError({"train", "--solver=solver.prototxt"},
              {"solver.prototxt: its net 'gone.prototxt'", "does not exist"});
  ExpectError({"train", "--solver=."}, {"folder"});
}

// A command that has a database on its line has no `source`.
TEST_F(ToolTest, MeanNamesWhatItWasGiven) {
  for (const std::string backend : {"lmdb", "leveldb"}) {
    const ToolResult result = Run({"mean", "t/none", "--backend=" + backend, "--minloglevel=2"});
    EXPECT_EQ(result.err, std::string("crema: ") + (backend == "lmdb" ? "LMDB" : "LevelDB") +
                              " 't/none' could not be opened: there is no such folder (the path is "
                              "relative to the current one); make it with `crema convert`, or, for "
                              "a net of models/, as its README.md says\n");
  }
  ExpectError({"mean", "/none"},
              {"LMDB '/none' could not be opened: there is no such folder; make it"});
  ExpectError({"mean", ""}, {"the path of the LMDB is empty"});
}

TEST_F(ToolTest, TyposInFieldNames) {
  Write("net.prototxt", With(kNet, "num_output", "num_ouput"));
  for (const Words& words :
       {Words{"train", "--solver=solver.prototxt"}, Words{"show", "--model=net.prototxt"}}) {
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
  ExpectError({"train", "--solver=solver.prototxt"},
              {"crema: solver.prototxt: ", "lr_policy", "'fixd'", "'fixed'"});
  Write("solver.prototxt", With(kSolver, "test_interval: 5", ""));
  ExpectError({"train", "--solver=solver.prototxt"}, {"test_interval"});
}

// What a run would do differently is of no use if there is no run.
TEST_F(ToolTest, ErrorsComeWithoutWarningsThatNoLongerMatter) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  Write("solver.prototxt", With(kSolver, "solver_mode: CPU", "solver_mode: GPU"));
  const Words train = {"train", "--solver=solver.prototxt", "--minloglevel=1"};
  EXPECT_THAT(Run(train).err, HasSubstr(" of an earlier run"));
  Write("net.prototxt", With(kNet, "num_output: 5", "num_output: 0"));
  const ToolResult result = Run(train);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(SplitLines(result.err).size(), 1u) << result.err;
}

// Which file a layer is in, and which net: a solver may have several.
TEST_F(ToolTest, MistakesNameTheFileOfTheNet) {
  Write("wrong.prototxt", With(kNet, "num_output: 5", "num_output: 0"));
  ExpectError({"show", "--model=wrong.prototxt"},
              {"crema: wrong.prototxt, phase TRAIN: layer 'fc' (InnerProduct): "});
  for (const std::string phase : {"TRAIN", "TEST"}) {
    ExpectError({"time", "--model=wrong.prototxt", "--phase=" + phase},
                {"crema: wrong.prototxt, phase " + phase + ": ", "layer 'fc' (InnerProduct): "});
  }
  ExpectError({"test", "--model=wrong.prototxt", "--weights=x.caffemodel"},
              {"crema: wrong.prototxt, phase TEST: layer 'fc' (InnerProduct): "});
  Write("solver.prototxt", With(kSolver, "net.prototxt", "wrong.prototxt"));
  ExpectError({"train", "--solver=solver.prototxt"},
              {"crema: wrong.prototxt, training net: layer 'fc' (InnerProduct): "});
}

TEST_F(ToolTest, MistakesNameTheTestNet) {
  const auto expect = [&](const std::string& solver, const std::string& beginning) {
    Write("solver.prototxt", With(kSolver, "test_iter: 2\n", solver));
    ExpectError({"train", "--solver=solver.prototxt"}, {"crema: " + beginning});
  };
  Write("wrong.prototxt", With(kNet, "bottom: \"data\"", "bottom: \"dta\""));
  const std::string files = "test_net: 'net.prototxt' test_net: 'wrong.prototxt' ";
  expect(files + "test_iter: 1 test_iter: 1\n",
         "wrong.prototxt, test net #1: layer 'fc' (InnerProduct): ");
  // The numbers are those of the log: nets without batches count.
  expect(files + "test_iter: 0 test_iter: 1\n", "wrong.prototxt, test net #1: layer ");
  // One file, whose layers depend on the stage.
  Write("net.prototxt", std::string(kNet) +
                            "layer { name: 'top5' type: 'Accuracy' bottom: 'fcc' bottom: 'label' "
                            "top: 'top5' include { phase: TEST stage: 'five' } }");
  expect("test_iter: 1 test_iter: 1 test_state {} test_state { stage: 'five' }\n",
         "net.prototxt, test net #1, stage five: layer 'top5' (Accuracy): ");
  // A net in the solver has no file.
  expect("test_iter: 1 test_net_param { layer { name: 'x' type: 'ReLU' bottom: 'y' top: 'x' } }\n",
         "test net #0: layer 'x' (ReLU): ");
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

// Random weights would give plausible numbers.
TEST_F(ToolTest, WeightsOfAnotherNet) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  std::string net = kNet;
  for (size_t at; (at = net.find("\"fc\"")) != std::string::npos;) net.replace(at, 4, "\"ip\"");
  Write("net.prototxt", net);
  const Words parts = {"small_iter_10.caffemodel: none of its layers (fc)", "net 'small'", "(ip"};
  ExpectError({"train", "--solver=solver.prototxt", "--weights=small_iter_10.caffemodel"}, parts);
  ExpectError({"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"}, parts);
}

// A layer with another name has no weights; its results mean nothing.
TEST_F(ToolTest, TestingWithoutWeightsForALayerIsAWarning) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const std::string more =
      "layer { name: 'fd' type: 'InnerProduct' bottom: 'data' top: 'fd' inner_product_param { "
      "num_output: 2 weight_filler { type: 'xavier' } } }";
  Write("more.prototxt", kNet + more);
  const std::string weights = "--weights=small_iter_10.caffemodel";
  const std::string warning = "Layer fd (2x3, 2) is tested with its initial values";
  const ToolResult lacking = Run({"test", "--model=more.prototxt", weights, "--iterations=1"});
  EXPECT_EQ(lacking.status, 0) << lacking.err;
  EXPECT_THAT(lacking.err, HasSubstr(warning));
  EXPECT_THAT(lacking.err, Not(HasSubstr("Layer fc")));
  Write("other.prototxt", kNet + more);
  Write("other_solver.prototxt",
        With(With(kSolver, "net.prototxt", "other.prototxt"), "\"small\"", "\"other\""));
  ASSERT_EQ(Run({"train", "--solver=other_solver.prototxt"}).status, 0);
  const ToolResult both = Run(
      {"test", "--model=more.prototxt", "--iterations=1", weights + ",other_iter_10.caffemodel"});
  EXPECT_THAT(both.err, Not(HasSubstr("initial values, because")));
}

TEST_F(ToolTest, AStageThatNoLayerKnowsIsAWarning) {
  Write("net.prototxt", std::string(kNet) +
                            "layer { name: 's' type: 'Silence' bottom: 'fc' "
                            "include { stage: 'news' not_stage: 'old' } }");
  const auto said = [&](const std::string& stages) {
    return Run({"show", "--model=net.prototxt", "--stage=" + stages}).err;
  };
  EXPECT_THAT(said("new,old"), HasSubstr("No layer's rules know the stage 'new' of --stage; did "
                                         "you mean 'news'?"));
  EXPECT_THAT(said("news,old"), Not(HasSubstr("stage")));
}

TEST_F(ToolTest, InputsThatNobodyFills) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const std::string net = kNet;
  Write("net.prototxt",
        "name: 'deploy' layer { name: 'in' type: 'Input' top: 'data' top: 'label' "
        "input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }" +
            net.substr(net.find("layer {\n  name: \"fc\"")));
  const Words parts = {"net 'deploy': nothing fills its input 'data', 'label'", "Data"};
  ExpectError({"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"}, parts);
  ExpectError({"train", "--solver=solver.prototxt"}, parts);
  EXPECT_EQ(Run({"time", "--model=net.prototxt", "--iterations=1"}).status, 0);
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
              {"its weights file is missing", "small_iter_10.caffemodel"});
}

TEST_F(ToolTest, DamagedDatabases) {
  UseImages();
  const std::string bytes = Read("images/data.mdb");
  for (const size_t kept :
       {bytes.size() / 2, bytes.size() - 100, size_t{4096}, size_t{10}, size_t{0}}) {
    Write("images/data.mdb", bytes.substr(0, kept));
    ExpectError({"train", "--solver=solver.prototxt"}, {"layer 'data'", "LMDB 'images'"});
  }
  std::filesystem::remove(folder_ / "images" / "data.mdb");
  ExpectError({"train", "--solver=solver.prototxt"}, {"layer 'data'", "'images'"});
  std::filesystem::remove_all(folder_ / "images");
  ExpectError({"train", "--solver=solver.prototxt"}, {"layer 'data'", "'images'"});
}

// --- devices ---------------------------------------------------------------------------------

TEST_F(ToolTest, WithoutAGpu) {
  if (!ListCudaDevices().empty()) GTEST_SKIP() << "this machine has a GPU";
  ExpectError({"train", "--solver=solver.prototxt", "--gpu=0"}, {"GPU 0", WhyNoCuda()});
  ExpectError({"time", "--model=net.prototxt", "--gpu=0"}, {"GPU 0"});
  ExpectError({"device_query", "--gpu=0"}, {"no GPU"});
  ExpectError({"time", "--model=net.prototxt", "--gpu=all"},
              {"--gpu=all: there is no GPU", WhyNoCuda(), "without --gpu, crema runs on the CPU"});
  const ToolResult query = Run({"device_query"});
  EXPECT_EQ(query.status, 0);
  EXPECT_THAT(query.out, StartsWith("No GPU: "));

  Write("solver.prototxt", With(kSolver, "solver_mode: CPU", "solver_mode: GPU"));
  const ToolResult result = Run({"train", "--solver=solver.prototxt"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, testing::ContainsRegex("(^|\n)W[^\n]*solver_mode: GPU, but [^\n]*CPU"));
  EXPECT_TRUE(Has("small_iter_10.caffemodel"));
}

// --- lists of names --------------------------------------------------------------------------

// Without the weights that were meant there would be numbers all the same.
TEST_F(ToolTest, ListsWithoutNames) {
  for (const std::string list : {",", ",,,", "a,", ",a", "a,,b", " , "}) {
    const std::string flag = "--weights=" + list;
    ExpectUsageError({"test", "--model=net.prototxt", flag}, {flag, "a name is missing"});
    ExpectUsageError({"train", "--solver=solver.prototxt", flag}, {flag, "a name is missing"});
  }
  ExpectUsageError({"test", "--model=net.prototxt", "--weights=a", "--stage=,"}, {"--stage=,"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "--stage=a,,b"}, {"--stage=a,,b"});
  Write("solver.prototxt", std::string(kSolver) + "weights: ',,'\n");
  ExpectError({"train", "--solver=solver.prototxt"},
              {"solver.prototxt: weights is ',,'", "missing"});
  Write("solver.prototxt", kSolver);
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt", "--metrics=curves"}).status, 0);
  ExpectUsageError({"plot", "curves", "--metric=loss,"}, {"--metric=loss,"});
}

TEST_F(ToolTest, NetsThatAreTooLarge) {
  Write("net.prototxt", R"(
      name: "large"
      layer { name: "data" type: "Input" top: "data"
              input_param { shape { dim: 2000000000000 dim: 3 } } }
      layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" loss_weight: 1
              inner_product_param { num_output: 2 } })");
  Write("small.prototxt", R"(
      layer { name: "data" type: "DummyData" top: "data"
              dummy_data_param { shape { dim: 1 dim: 3 } } }
      layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" loss_weight: 1
              inner_product_param { num_output: 2 } })");
  Write("solver.prototxt", R"(net: "small.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 1)");
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const Words parts = {"the net 'large' needs ", " is available; batch_size "};
  ExpectError({"test", "--model=net.prototxt", "--weights=solver_iter_1.caffemodel"}, parts);
  ExpectError({"time", "--model=net.prototxt", "--phase=TEST"}, parts);
  ExpectError({"time", "--model=net.prototxt"}, {"training needs ", " is available; batch_size "});
}

TEST_F(ToolTest, QuotesAreNoLongerThanAScreen) {
  Write("flags.txt", "--" + std::string(60000, 'x'));
  const auto result = Run({"train", "--flagfile=flags.txt"});
  EXPECT_LT(result.err.size(), 5000u);
  EXPECT_THAT(result.err, HasSubstr(" [...] "));
}

TEST_F(ToolTest, AFileWithoutItsFlag) {
  ExpectUsageError({"show", "net.prototxt"}, {"did you mean --model=net.prototxt?"});
  ExpectUsageError({"test", "net.prototxt", "--weights=x"}, {"--model=net.prototxt?"});
  ExpectUsageError({"time", "net.prototxt"}, {"--model=net.prototxt?"});
  ExpectUsageError({"train", "solver.prototxt"}, {"--solver=solver.prototxt?"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "a.caffemodel"},
                   {"--weights=a.caffemodel?"});
  ExpectUsageError({"train", "--solver=solver.prototxt", "a_iter_3.solverstate"},
                   {"--snapshot=a_iter_3.solverstate?"});
  ExpectUsageError({"device_query", "net.prototxt"}, {"options start with --"});
}

TEST_F(ToolTest, AnUnknownEngineIsNamedWithItsOrigin) {
  ExpectError({"show", "--model=net.prototxt", "--engine=FAST"}, {"--engine=FAST", "CAFFE"});
  ExpectError({"show", "--model=net.prototxt", "--engine=caffe"}, {"did you mean CAFFE?"});
  ToolOptions options = Here();
  options.environment = {"CREMA_ENGINE=xx"};
  const ToolResult result = RunTool({"show", "--model=net.prototxt"}, options);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("the environment variable CREMA_ENGINE=xx: "));
  EXPECT_THAT(result.err, HasSubstr("CAFFE"));
}

TEST_F(ToolTest, AMissingPluginIsNamedWithItsOrigin) {
  ToolOptions options = Here();
  options.environment = {"CREMA_PLUGINS=none.so"};
  const ToolResult result = RunTool({"show", "--model=net.prototxt"}, options);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("the environment variable CREMA_PLUGINS: "));
  EXPECT_THAT(result.err, HasSubstr("none.so"));
}

TEST_F(ToolTest, OutputsAreTriedBeforeTheWork) {
  UseImages();
  for (const std::string out : {"none/mean.binaryproto", "images"}) {
    const ToolResult mean = Run({"mean", "images", out});
    EXPECT_EQ(mean.status, 1);
    EXPECT_THAT(mean.err, HasSubstr(out + ": "));
    EXPECT_THAT(mean.err, Not(HasSubstr("Starting iteration")));
  }
  const ToolResult time = Run({"time", "--model=net.prototxt", "--json=none/time.json"});
  EXPECT_EQ(time.status, 1);
  EXPECT_THAT(time.err, HasSubstr("--json=none/time.json: cannot be written"));
  EXPECT_THAT(time.err, Not(HasSubstr("Performing Forward")));
}

TEST_F(ToolTest, AFinishedRunSaysSo) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  const ToolResult again = Run({"train", "--solver=solver.prototxt", "--resume=auto"});
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.err, HasSubstr("the run has reached iteration 10, and max_iter is 10; raise"));
}

TEST_F(ToolTest, ALargeOutputIsAWarning) {
  const char* const train = "solver.prototxt";
  EXPECT_THAT(Run({"train", Concat("--solver=", train)}).err, Not(HasSubstr("No layer reads")));
  Write("net.prototxt", std::string(kNet) +
                            "layer { name: 'wide' type: 'InnerProduct' bottom: 'data' top: 'wide' "
                            "inner_product_param { num_output: 300 } }");
  const ToolResult result = Run({"train", Concat("--solver=", train)});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("No layer reads the blob 'wide', so each of its 1200 numbers"));
}

TEST_F(ToolTest, AMissingDataSetSaysHowToMakeIt) {
  UseImages();
  std::filesystem::remove_all(folder_ / "images");
  ExpectError({"show", "--model=net.prototxt"},
              {"LMDB 'images' could not be opened", "`crema convert`", "README.md"});
}

TEST_F(ToolTest, LabelsBeforeScores) {
  Write("net.prototxt", With(kNet, R"(type: "SoftmaxWithLoss" bottom: "fc" bottom: "label")",
                             R"(type: "SoftmaxWithLoss" bottom: "label" bottom: "fc")"));
  ExpectError({"show", "--model=net.prototxt"},
              {"layer 'loss' (SoftmaxWithLoss)", "bottom 0, 'label', is to hold the scores",
               "bottom 1, 'fc', the labels"});
}

TEST_F(ToolTest, ASolverNeedsMaxIter) {
  const std::string text = R"(net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" )";
  Write("solver.prototxt", text);
  ExpectError({"train", "--solver=solver.prototxt"}, {"solver.prototxt: max_iter is missing"});
  Write("solver.prototxt", text + "max_iter: 0");
  EXPECT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
}

}  // namespace
}  // namespace crema
