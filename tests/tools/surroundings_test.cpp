// The tool in surroundings that are short of something: standard streams, threads, memory, readers
// and writers of pipes, disks that can be read or have room.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/files.h"
#include "base/sanitizers.h"
#include "data/databases.h"
#include "schema/hdf5_io.h"
#include "tools/tool_test.h"

namespace crema {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class SurroundingsTest : public ToolTest {
 protected:
  void WriteImage(const std::string& name, int side = 4) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    cv::imwrite((folder_ / name).string(), cv::Mat(side, side, CV_8UC3, cv::Scalar(10, 20, 30)));
  }
  // A list of images that there are.
  void WriteImages(int count) const {
    WriteImage("a.png");
    std::string list;
    for (int i = 0; i < count; ++i) list += "a.png 1\n";
    Write("list", list);
  }
  // The net with another first layer.
  void UseLayer(const std::string& layer) const {
    const std::string net = kNet;
    Write("net.prototxt",
          "name: 'small'\n" + layer + net.substr(net.find("layer {\n  name: \"fc\"")));
  }
  void UseImageData() const {
    UseLayer(
        "layer { name: 'data' type: 'ImageData' top: 'data' top: 'label' image_data_param { "
        "source: 'list' batch_size: 2 } }");
  }
  void UseHdf5Data() const {
    Hdf5File file = Hdf5File::Create((folder_ / "rows.h5").string());
    const std::vector<float> values(12, 1);
    file.Write("data", {4, 3}, values.data());
    file.Write("label", {4}, values.data());
    Write("list", (folder_ / "rows.h5").string() + "\n");
    UseLayer(
        "layer { name: 'data' type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param { "
        "source: 'list' batch_size: 2 } }");
  }
  void UseHdf5Output() const {
    Write("net.prototxt", std::string(kNet) +
                              "layer { name: 'out' type: 'HDF5Output' bottom: 'fc' bottom: 'label' "
                              "hdf5_output_param { file_name: 'fc.h5' } }");
  }
  // Not every file system has pipes.
  bool MakePipe(const std::string& name) const {
    std::filesystem::remove(folder_ / name);
    return mkfifo((folder_ / name).c_str(), 0600) == 0;
  }
  ToolResult RunWith(const Words& words, const Words& variables) const {
    ToolOptions options = Here();
    options.environment = WithFault(variables);
    return RunTool(words, options);
  }
  // One sentence, with status 1.
  void ExpectSentence(const ToolResult& result, const Words& parts) const {
    EXPECT_EQ(result.status, 1) << result.err;
    const Words lines = SplitLines(result.err);
    ASSERT_FALSE(lines.empty());
    EXPECT_THAT(lines.back(), StartsWith("crema: "));
    for (const std::string& part : parts) EXPECT_THAT(lines.back(), HasSubstr(part));
  }
  size_t CountRecords(const std::string& name) const {
    return test::ReadDatums(Backend::kLmdb, (folder_ / name).string()).size();
  }
};

// --- threads -----------------------------------------------------------------------------------

// Where OpenMP starts fewer threads than a net was planned for, they wait for ever for the others.
TEST_F(SurroundingsTest, TrainsWithFewerThreadsThanItIsTold) {
  for (const char* limit : {"OMP_THREAD_LIMIT=1", "OMP_DYNAMIC=true", "OMP_MAX_ACTIVE_LEVELS=0"}) {
    ToolOptions options = Here();
    options.environment = {limit};
    const ToolResult result =
        RunTool({"train", "--solver=solver.prototxt", "--threads=2"}, options);
    EXPECT_EQ(result.status, 0) << limit << ": " << result.err;
  }
}

// --- standard streams --------------------------------------------------------------------------

// The database would have the number of one of them.
TEST_F(SurroundingsTest, ConvertsWithoutStandardStreams) {
  WriteImages(300);
  ToolOptions options = Here();
  options.has_streams = false;
  EXPECT_EQ(RunTool({"convert", "imageset", ".", "list", "db"}, options).status, 0);
  EXPECT_EQ(CountRecords("db"), 300u);
}

// As any program in a pipe ends: by the signal, and without a word.
TEST_F(SurroundingsTest, OutputThatNobodyReadsEndsQuietly) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  ToolOptions options = Here();
  options.standard_output = ends[1];
  for (const Words& words : {Words{"help"}, Words{"show", "--model=net.prototxt"}, Words{"version"},
                             Words{"train", "--help"}}) {
    const ToolResult result = RunTool(words, options);
    EXPECT_EQ(result.status, -SIGPIPE) << words[0];
    EXPECT_THAT(result.err, Not(HasSubstr("crema: "))) << words[0];
  }
  close(ends[1]);
}

TEST_F(SurroundingsTest, OutputThatCannotBeWrittenIsAnError) {
  const Descriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!full.ok()) GTEST_SKIP() << "no /dev/full here";
  UseImages();
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  ToolOptions options = Here();
  options.standard_output = full.get();
  const Words test = {"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"};
  for (const Words& words : {Words{"help"}, Words{"show", "--model=net.prototxt"},
                             Words{"mean", "images"}, Words{"version"}, test}) {
    ExpectSentence(RunTool(words, options), {"cannot write to standard output: No space left"});
  }
}

// --- bytes from files --------------------------------------------------------------------------

// An escaped end of a line would still be a line of the log.
TEST_F(SurroundingsTest, EndsOfLinesInNamesAreRefused) {
  Write("net.prototxt", With(kNet, "name: \"small\"", "name: \"s\\nI0101 Iteration 1, loss = 0\""));
  ExpectSentence(Run({"train", "--solver=solver.prototxt"}),
                 {"net.prototxt:1: \"name\" is \"s\\x0aI0101", "end of line"});
  Write("solver.prototxt", With(kSolver, "\"small\"", "\"small\\nI0101\""));
  ExpectSentence(Run({"train", "--solver=solver.prototxt"}),
                 {"\"snapshot_prefix\" is \"small\\x0aI0101\"", "end of line"});
}

TEST_F(SurroundingsTest, ControlCharactersOfFilesAreEscaped) {
  const std::string esc = "\x1b]0;title\x07", escaped = "\\x1b]0;title\\x07";
  std::string net = With(kNet, "name: \"small\"", "name: \"small\\033]0;title\\007\"");
  for (size_t at; (at = net.find("\"fc\"")) != std::string::npos;) {
    net.replace(at, 4, "\"f\\033]0;title\\007\\351c\"");
  }
  Write("net.prototxt", net);
  Write("list" + esc, "a" + esc + "\xe9\n");
  const Words convert = {"convert", "imageset", ".", "list" + esc, "db"};
  const Words missing = {"show", "--model=none" + esc + "\xe9"};
  for (const Words& words :
       {Words{"show", "--model=net.prototxt"}, Words{"show", "--model=net.prototxt", "--verbose"},
        Words{"train", "--solver=solver.prototxt"}, convert, missing}) {
    const ToolResult result = Run(words);
    const std::string all = result.out + result.err;
    EXPECT_THAT(all, HasSubstr(escaped)) << words[0];
    for (const char* harm : {"\x1b", "\x07", "\xe9"}) {
      EXPECT_THAT(all, Not(HasSubstr(harm))) << words[0] << " " << words[1];
    }
  }
}

// --- threads and memory ------------------------------------------------------------------------

// BLAS would start its own when it is loaded, OpenMP when a net runs first.
TEST_F(SurroundingsTest, WithoutThreads) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer keeps the tool from starting early";
  const Words none = {"CREMA_THREADS=0"};
  const ToolResult show = RunWith({"show", "--model=net.prototxt", "--threads=2"}, none);
  EXPECT_EQ(show.status, 0) << show.err;
  EXPECT_THAT(show.err, Not(HasSubstr("thread")));
  const ToolResult one = RunWith({"train", "--solver=solver.prototxt", "--threads=1"}, none);
  EXPECT_EQ(one.status, 0) << one.err;
  ExpectSentence(RunWith({"train", "--solver=solver.prototxt", "--threads=2"}, none),
                 {"the system does not allow 2 threads", "--threads=N"});
  ExpectSentence(RunWith({"time", "--model=net.prototxt", "--threads=2"}, none),
                 {"the system does not allow 2 threads"});
  UseImages();
  ExpectSentence(RunWith({"train", "--solver=solver.prototxt", "--threads=1"}, none),
                 {"cannot start a thread to prepare data"});
}

// OpenCV would resize images as large as this one on threads of its own.
TEST_F(SurroundingsTest, ConvertsWithoutThreads) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer keeps the tool from starting early";
  WriteImages(300);
  WriteImage("large.png", 1500);
  Write("list", Read("list") + "large.png 2\n");
  const ToolResult result = RunWith(
      {"convert", "imageset", "--resize_height=700", "--resize_width=700", ".", "list", "db"},
      {"CREMA_THREADS=0"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(CountRecords("db"), 301u);
}

// Where memory is short, BLAS's threads would try again for ever.
TEST_F(SurroundingsTest, EndsWhereAddressSpaceIsShort) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer needs the address space";
  for (rlim_t tenths = 5; tenths <= 12; ++tenths) {
    ToolOptions options = Here();
    options.address_space = AddressSpaceOfTool() / 10 * tenths;
    const ToolResult result = RunTool({"show", "--model=net.prototxt"}, options);
    // 127: the loader has no room for the libraries. SIGABRT: a library's constructor, or the end
    // of a thread, has none, before or after what crema can catch.
    EXPECT_THAT(result.status, testing::AnyOf(0, 1, 127, -SIGABRT)) << tenths << ": " << result.err;
  }
}

// --- files that cannot be read -----------------------------------------------------------------

// A disk that fails is no end of a file.
TEST_F(SurroundingsTest, AReadErrorIsNoEnd) {
  const auto fails = [&](const Words& words, const std::string& file) {
    const ToolResult result = RunWith(words, {"CREMA_FAIL_READ=/" + file});
    ExpectSentence(result, {file, "Input/output error"});
  };
  fails({"train", "--solver=solver.prototxt"}, "solver.prototxt");
  fails({"show", "--model=net.prototxt"}, "net.prototxt");
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt", "--metrics=run.json"}).status, 0);
  fails({"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"},
        "small_iter_10.caffemodel");
  fails({"train", "--solver=solver.prototxt", "--snapshot=small_iter_10.solverstate"},
        "small_iter_10.solverstate");
  fails({"plot", "run.json"}, "run.json");
  WriteImages(3000);
  fails({"convert", "imageset", ".", "list", "db"}, "list");
  fails({"convert", "imageset", ".", "list", "db"}, "a.png");
  EXPECT_FALSE(Has("db"));
  UseImageData();
  fails({"train", "--solver=solver.prototxt"}, "list");
  UseHdf5Data();
  fails({"train", "--solver=solver.prototxt"}, "list");
  Write("flags", "--iterations=1\n");
  const ToolResult flags = RunWith({"time", "--flagfile=flags"}, {"CREMA_FAIL_READ=/flags"});
  EXPECT_EQ(flags.status, 2);
  EXPECT_THAT(flags.err, HasSubstr("Input/output error"));
}

// --- pipes -------------------------------------------------------------------------------------

TEST_F(SurroundingsTest, PipesThatNobodyWritesToDoNotHang) {
  if (!MakePipe("pipe")) GTEST_SKIP() << "mkfifo: " << ErrorText(errno);
  const auto fails = [&](const Words& words) { ExpectSentence(Run(words), {"pipe: is a pipe"}); };
  fails({"train", "--solver=pipe"});
  fails({"show", "--model=pipe"});
  fails({"test", "--model=net.prototxt", "--weights=pipe"});
  fails({"train", "--solver=solver.prototxt", "--weights=pipe"});
  fails({"train", "--solver=solver.prototxt", "--snapshot=pipe"});
  fails({"plot", "pipe"});
  fails({"convert", "imageset", ".", "pipe", "db"});
  fails({"convert", "mnist", "pipe", "pipe", "db"});
  const ToolResult flags = Run({"time", "--flagfile=pipe"});
  EXPECT_EQ(flags.status, 2);
  EXPECT_THAT(flags.err, HasSubstr("is a pipe"));
}

// As in --solver=<(program): the shell names the pipe so.
TEST_F(SurroundingsTest, TextComesFromPipesThatAreWrittenTo) {
  const auto run = [&](const std::string& text, const std::function<Words(std::string)>& words) {
    int ends[2];
    if (pipe(ends) != 0) return -1;
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    ToolProcess tool(words("/dev/fd/" + std::to_string(ends[0])), Here());
    close(ends[0]);
    EXPECT_EQ(WriteAll(ends[1], text), 0);
    close(ends[1]);
    const ToolResult result = tool.Finish();
    EXPECT_EQ(result.status, 0) << result.err;
    return result.status;
  };
  run(kSolver, [](const std::string& pipe) { return Words{"train", "--solver=" + pipe}; });
  EXPECT_TRUE(Has("small_iter_10.caffemodel"));
  run(kNet, [](const std::string& pipe) { return Words{"show", "--model=" + pipe}; });
  WriteImage("a.png");
  run("a.png 1\na.png 2\n", [](const std::string& pipe) {
    return Words{"convert", "imageset", ".", pipe, "db"};
  });
  EXPECT_EQ(CountRecords("db"), 2u);
  EXPECT_EQ(Run({"show", "--model=net.prototxt", "--flagfile=/dev/null"}).status, 0);
}

TEST_F(SurroundingsTest, PipesInTheDataDoNotHang) {
  const Words train = {"train", "--solver=solver.prototxt"};
  if (!MakePipe("a.png")) GTEST_SKIP() << "mkfifo: " << ErrorText(errno);
  Write("list", "a.png 0\na.png 1\n");
  ExpectSentence(Run({"convert", "imageset", ".", "list", "db"}),
                 {"a.png", "is a pipe, not a file"});
  UseImageData();
  ExpectSentence(Run(train), {"a.png", "is a pipe, not a file"});
  UseHdf5Data();
  MakePipe("rows.h5");
  ExpectSentence(Run(train), {"rows.h5", "is a pipe, not a file"});
  UseHdf5Output();
  MakePipe("fc.h5");
  ExpectSentence(Run(train), {"fc.h5", "is not a regular file"});
  for (const char* name : {"data_batch_1.bin", "test_batch.bin"}) MakePipe(name);
  ExpectSentence(Run({"convert", "cifar10", ".", "out"}), {"data_batch_1.bin", "is a pipe"});
}

TEST_F(SurroundingsTest, PipesThatNobodyReadsDoNotHang) {
  if (!MakePipe("pipe")) GTEST_SKIP() << "mkfifo: " << ErrorText(errno);
  ExpectSentence(Run({"train", "--solver=solver.prototxt", "--metrics=pipe"}),
                 {"pipe: is a pipe that nobody reads; start its reader first"});
  ExpectSentence(Run({"time", "--model=net.prototxt", "--iterations=1", "--json=pipe"}),
                 {"--json=pipe: is a pipe that nobody reads"});
  MakePipe("pipe.svg");
  Write("log", "I0131 23:58:30.123456     1 solver.cpp:1] Iteration 1, loss = 1\n");
  ExpectSentence(Run({"plot", "log", "--out=pipe.svg"}), {"pipe.svg: ", "not a regular file"});
}

TEST_F(SurroundingsTest, MetricsGoIntoAPipeThatIsRead) {
  if (!MakePipe("pipe")) GTEST_SKIP() << "mkfifo: " << ErrorText(errno);
  const Descriptor reader(open((folder_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt", "--metrics=pipe"}).status, 0);
  char text[65536];
  const ssize_t count = read(reader.get(), text, sizeof text);
  ASSERT_GT(count, 0);
  const Words lines = SplitLines(std::string(text, static_cast<size_t>(count)));
  EXPECT_THAT(lines.front(), StartsWith("{\"event\":\"start\""));
  EXPECT_THAT(lines.back(), StartsWith("{\"event\":\"test\",\"iteration\":10"));
}

// The run goes on, and is saved.
TEST_F(SurroundingsTest, TheReaderOfMetricsMayLeave) {
  if (!MakePipe("pipe")) GTEST_SKIP() << "mkfifo: " << ErrorText(errno);
  Write("solver.prototxt", With(kSolver, "max_iter: 10", "max_iter: 100000000"));
  auto reader = std::make_unique<Descriptor>(
      open((folder_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ToolProcess process({"train", "--solver=solver.prototxt", "--metrics=pipe"}, Here());
  ASSERT_TRUE(process.WaitFor("Starting Optimization"));
  reader.reset();
  ASSERT_TRUE(process.WaitFor("pipe: cannot be written: Broken pipe; training continues"));
  process.Signal(SIGINT);
  const ToolResult result = process.Finish();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("Snapshotting solver state to"));
}

// --- files that cannot be written --------------------------------------------------------------

// The library crashes at the end of the program if it could not close a file.
TEST_F(SurroundingsTest, Hdf5OutputOnAFullDisk) {
  ASSERT_EQ(Run({"train", "--solver=solver.prototxt"}).status, 0);
  UseHdf5Output();
  const Words test = {"test", "--model=net.prototxt", "--weights=small_iter_10.caffemodel"};
  ASSERT_EQ(Run(test).status, 0);
  const auto whole = std::filesystem::file_size(folder_ / "fc.h5");
  for (int part = 0; part < 8; ++part) {
    ToolOptions options = Here();
    options.largest_file = 100 + whole * static_cast<rlim_t>(part) / 8;
    ExpectSentence(RunTool(test, options), {"fc.h5: ", "cannot be written"});
  }
}

TEST_F(SurroundingsTest, TimeLeavesTheNetsFilesAlone) {
  UseHdf5Output();
  Write("fc.h5", "precious");
  for (const char* phase : {"--phase=TRAIN", "--phase=TEST"}) {
    const ToolResult result = Run({"time", "--model=net.prototxt", "--iterations=1", phase});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("layer 'out' (HDF5Output): its file is not written"));
  }
  EXPECT_EQ(Read("fc.h5"), "precious");
  EXPECT_EQ(FilesIn(folder_), (Words{"fc.h5", "net.prototxt", "solver.prototxt"}));
}

// Standard output may be a file, which must not be replaced.
TEST_F(SurroundingsTest, ReportsGoToStandardOutput) {
  ToolOptions options = Here();
  const Descriptor out(open((folder_ / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  options.standard_output = out.get();
  for (const char* name : {"--json=/dev/stdout", "--json=/dev/fd/1", "--json=/proc/self/fd/1"}) {
    ASSERT_EQ(ftruncate(out.get(), 0), 0);
    ASSERT_EQ(lseek(out.get(), 0, SEEK_SET), 0);
    EXPECT_EQ(RunTool({"time", "--model=net.prototxt", "--iterations=1", name}, options).status, 0);
    EXPECT_THAT(Read("out"), StartsWith("Training iteration: "));
    EXPECT_THAT(Read("out"), HasSubstr("\n{\n  \"net\": \"small\""));
  }
}

TEST_F(SurroundingsTest, AnOldReportOfTimeIsKeptOnAFullDisk) {
  Write("times.json", "{}");
  ToolOptions options = Here();
  options.largest_file = 100;
  ExpectSentence(
      RunTool({"time", "--model=net.prototxt", "--iterations=1", "--json=times.json"}, options),
      {"--json=times.json: cannot be written"});
  EXPECT_EQ(Read("times.json"), "{}");
}

// --- lists and flags ---------------------------------------------------------------------------

// What is in a list means the same to training and to convert.
TEST_F(SurroundingsTest, ListsAreReadAlike) {
  WriteImage("a.png");
  UseImageData();
  const auto statuses = [&](const std::string& list) {
    Write("list", list);
    std::filesystem::remove_all(folder_ / "db");
    return std::make_pair(Run({"show", "--model=net.prototxt"}).status,
                          Run({"convert", "imageset", ".", "list", "db"}).status);
  };
  for (const char* good : {"a.png 1\na.png 2\n", "a.png +1\na.png\t2",
                           "\n \na.png 1  \n\r\na.png 2\r\n", "a.png   -1\na.png 0\t\n"}) {
    EXPECT_EQ(statuses(good), std::make_pair(0, 0)) << good;
    EXPECT_EQ(CountRecords("db"), 2u) << good;
  }
  for (const char* bad : {"a.png 1.0\n", "a.png\n", "a.png +\n", "a.png +-1\n", "a.png 0x1\n",
                          "1\n", "a.png 1\na.png 99999999999\n", "", "\n \n"}) {
    EXPECT_EQ(statuses(bad), std::make_pair(1, 1)) << bad;
  }
}

TEST_F(SurroundingsTest, WrongValuesOfFlagsAreOneSentence) {
  Write("log", "I0131 23:58:30.123456     1 solver.cpp:1] Iteration 1, loss = 1\n");
  ExpectError({"time", "--model=net.prototxt", "--dummy-data=1x2"}, {"--dummy-data=1x2"});
  ExpectError({"show", "--model=net.prototxt", "--engine=FAST"}, {"FAST"});
  ExpectError({"train", "--solver=solver.prototxt", "--engine=FAST"}, {"FAST"});
  ExpectError({"mean", "db", "--backend=sqlite"}, {"sqlite", "lmdb"});
  ExpectError({"convert", "imageset", ".", "list", "db", "--backend=sqlite"}, {"sqlite"});
  ExpectError({"plot", "log", "--metric=gain"}, {"--metric=gain", "loss"});
}

}  // namespace
}  // namespace crema
