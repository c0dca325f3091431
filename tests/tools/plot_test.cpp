// crema plot, from logs and metrics files to pictures.
#include <gmock/gmock.h>

#include <functional>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <regex>

#include "tools/tool_process.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Points = std::vector<std::pair<double, double>>;

// As Caffe writes them: without speed in the oldest lines.
std::string LogLine(int seconds, const std::string& text) {
  char clock[64];
  std::snprintf(clock, sizeof clock, "I0131 23:%02d:%02d.500000  2521 solver.cpp:239] ",
                59 - (seconds < 30 ? 1 : 0), 30 + seconds % 30);
  return clock + text + "\n";
}

std::string CaffeLog() {
  std::string log = LogLine(0, "Solving LeNet");
  for (int i = 0; i <= 4; ++i) {
    const std::string at = Concat("Iteration ", 100 * i);
    if (i % 2 == 0) {
      log += LogLine(i, at + ", Testing net (#0)");
      log += LogLine(i, Concat("    Test net output #0: accuracy = ", 0.2 * i));
      log +=
          LogLine(i, Concat("    Test net output #1: loss = ", 4 - i, " (* 1 = ", 4 - i, " loss)"));
    }
    log += LogLine(i, at + Concat(" (9 iter/s, 10s/100 iters), loss = ", 5 - i));
    log +=
        LogLine(i, Concat("    Train net output #0: loss = ", 5 - i, " (* 1 = ", 5 - i, " loss)"));
    log += LogLine(i, at + ", lr = 0.01");
  }
  return log + LogLine(9, "Optimization Done.");
}

class PlotTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  void Write(const std::string& name, const std::string& text) const {
    WriteTestFile(folder_ / name, text);
  }
  ToolResult Plot(std::vector<std::string> words) const {
    words.insert(words.begin(), "plot");
    return RunTool(words, {folder_.string(), RLIM_INFINITY});
  }
  std::string Svg(std::vector<std::string> words) const {
    words.push_back("--out=out.svg");
    const ToolResult result = Plot(words);
    EXPECT_EQ(result.status, 0) << result.err;
    return ReadTestFile(folder_ / "out.svg");
  }

  std::filesystem::path folder_;
};

// Not even by a link.
TEST_F(PlotTest, APictureDoesNotReplaceWhatItShows) {
  Write("z.svg", CaffeLog());
  Write("t.log", CaffeLog());
  std::filesystem::create_symlink("t.log", folder_ / "t.svg");
  for (const auto& [input, out] : {std::pair("z.svg", "z.svg"), std::pair("t.log", "t.svg")}) {
    const ToolResult result = Plot({"t.log", input, std::string("--out=") + out});
    EXPECT_EQ(result.status, 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr("is read, and would be overwritten; choose another name"));
    EXPECT_EQ(ReadTestFile(folder_ / input), CaffeLog());
  }
}

std::vector<std::string> Texts(const std::string& svg) {
  std::vector<std::string> texts;
  const std::regex pattern(">([^<]+)</text>");
  for (std::sregex_iterator it(svg.begin(), svg.end(), pattern), end; it != end; ++it) {
    texts.push_back((*it)[1]);
  }
  return texts;
}

// The lines of the first run's colour, without the sample in the legend.
std::vector<Points> CurvesOf(const std::string& svg, const std::string& color = "#0072b2") {
  std::vector<Points> curves;
  const std::regex pattern("<polyline points=\"([^\"]*)\" stroke=\"" + color +
                           "\" stroke-width=\"1[^/]*/>");
  for (std::sregex_iterator it(svg.begin(), svg.end(), pattern), end; it != end; ++it) {
    std::istringstream numbers(std::regex_replace((*it)[1].str(), std::regex(","), " "));
    Points points;
    for (double x, y; numbers >> x >> y;) points.emplace_back(x, y);
    curves.push_back(points);
  }
  return curves;
}

TEST_F(PlotTest, DrawsCaffesLog) {
  Write("lenet.log", CaffeLog());
  const std::string svg = Svg({"lenet.log"});
  const auto texts = Texts(svg);
  for (const std::string text : {"lenet", "loss", "test/accuracy", "learning rate", "iteration",
                                 "solid: training; dashed: test", "100", "400"}) {
    EXPECT_THAT(texts, testing::Contains(text));
  }
  const auto curves = CurvesOf(svg);
  ASSERT_EQ(curves.size(), 4u);  // loss, test loss, accuracy, rate
  ASSERT_EQ(curves[0].size(), 5u);
  ASSERT_EQ(curves[1].size(), 3u);
  for (int i = 1; i < 5; ++i) {  // straight and downwards, on the screen: y grows
    EXPECT_NEAR(curves[0][i].first - curves[0][i - 1].first, 107, 1);
    EXPECT_NEAR(curves[0][i].second - curves[0][i - 1].second, 40, 1);
  }
  EXPECT_NEAR(curves[1][2].first, curves[0][4].first, 0.1);    // both end at 400
  EXPECT_NEAR(curves[1][0].second, curves[0][1].second, 0.1);  // both are 4
  EXPECT_GT(curves[2][0].second, curves[2][1].second);         // accuracy rises
  EXPECT_NEAR(curves[3][0].second, curves[3][4].second, 0.1);  // the rate does not
}

// The text of each line behind `prefix` of its number.
std::string Prefixed(const std::string& log, const std::function<std::string(size_t)>& prefix) {
  std::string result;
  const std::vector<std::string> lines = SplitLines(log);
  for (size_t i = 0; i < lines.size(); ++i) result += prefix(i) + lines[i] + "\n";
  return result;
}

std::string WithoutGlog(const std::string& log) {
  return std::regex_replace(log, std::regex("(^|\n)I0131 [^\\]]*\\] "), "$1");
}

std::string ToUtf16(const std::string& text, bool big_endian) {
  std::string units;
  for (const char c : text) units += big_endian ? std::string{'\0', c} : std::string{c, '\0'};
  return units;
}

// Logs come through many hands: each of these shows what the log as Caffe wrote it shows.
TEST_F(PlotTest, TakesCaffesLinesWhereverTheyBegin) {
  const std::string log = CaffeLog(), bare = WithoutGlog(log);
  ASSERT_THAT(bare,
              StartsWith("Solving LeNet\nIteration 0, Testing net (#0)\n    Test net output"));
  const auto before_lines = [&](const std::string& prefix) {
    return Prefixed(log, [&](size_t) { return prefix; });
  };
  const std::regex lines("([^\n]*)\n"), ends("\n");
  const std::vector<std::pair<std::string, std::string>> variants = {
      {"no prefix", bare},
      {"the name of a worker", before_lines("worker-0: ")},
      {"the tag of mpirun", before_lines("[1,0]<stdout>:")},
      {"a time of a container", before_lines("2024-01-31T23:58:30.123456789Z ")},
      {"a time in brackets", before_lines("[2024/01/31 23:58:30] (train) ")},
      {"a time instead of glog's",
       Prefixed(bare, [](size_t) { return "2024-01-31 23:58:30,123 INFO "; })},
      {"glog's year", std::regex_replace(log, std::regex("I0131"), "I20240131")},
      {"colours", std::regex_replace(log, lines, "\x1B[0;32m$1\x1B[m\n")},
      {"colours inside",
       std::regex_replace(log, std::regex("Iteration"), "\x1B[1mIteration\x1B[0m")},
      {"ends of lines as in DOS", std::regex_replace(log, ends, "\r\n")},
      {"ends of lines as on old Macs", std::regex_replace(log, ends, "\r")},
      {"progress written over itself",
       Prefixed(log, [](size_t i) { return Concat("\rtraining: ", i, " of 9\x1B[K\r\x1B[K"); })},
      {"a byte order mark", "\xEF\xBB\xBF" + log},
      {"PowerShell", "\xFF\xFE" + ToUtf16(log, false)},
      {"UTF-16, the other way round", "\xFE\xFF" + ToUtf16(log, true)},
      {"UTF-16 without a mark", ToUtf16(log, false)},
      {"JSON of a container", std::regex_replace(log, lines, "{\"log\":\"$1\\n\",\"stream\":1}\n")},
      {"another program's JSON between", "{\"level\":\"info\"}\n" + log + "{broken\n"},
      {"other lines between", Prefixed(log, [](size_t) { return "Solving dependencies (1/3)\n"; })},
      {"the results of a test behind", log + LogLine(20, "Batch 0, accuracy = 0.1") +
                                           LogLine(20, "Loss: 3") + LogLine(20, "accuracy = 0.1")},
  };
  Write("run.log", log);
  const std::string expected = Svg({"run.log"});
  for (const auto& [name, text] : variants) {
    Write("run.log", text);
    EXPECT_EQ(Svg({"run.log"}), expected) << name;
  }
}

// Another program's times serve as well as glog's.
TEST_F(PlotTest, FindsTheTimeBeforeTheLine) {
  std::string log;
  for (int i = 0; i < 3; ++i) log += LogLine(10 * i, Concat("Iteration ", i, ", loss = ", i));
  Write("run.log", log);
  const std::string expected = Svg({"run.log", "--x=time"});
  const auto times = [](size_t i) { return Concat("2024-01-31T23:58:", 30 + 10 * i, " worker: "); };
  Write("run.log", Prefixed(WithoutGlog(log), times));
  EXPECT_EQ(Svg({"run.log", "--x=time"}), expected);
  Write("run.log", WithoutGlog(log));
  const ToolResult result = Plot({"run.log", "--x=time"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("run.log: its lines have no time"));
}

// The picture stays well-formed XML.
TEST_F(PlotTest, EscapesControlCharactersInNames) {
  const std::string name = "a\x1b<b>\xef\xbf\xbe&\xe9.log";
  Write(name, CaffeLog());
  const std::string svg = Svg({name});
  EXPECT_THAT(Texts(svg), testing::Contains("a\\x1b&lt;b&gt;\\xef\\xbf\\xbe&amp;\\xe9"));
  EXPECT_EQ(svg.find('\x1b'), std::string::npos);
  EXPECT_EQ(Plot({name, "--out=out.png"}).status, 0);
}

TEST_F(PlotTest, SaysThatALogIsOfATest) {
  Write("test.log", LogLine(0, "Batch 0, accuracy = 0.9") + LogLine(1, "accuracy = 0.9"));
  const ToolResult result = Plot({"test.log"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("contains no training log: it has the results of a test, but"));
}

std::string RateLog(const std::vector<double>& rates) {
  std::string log;
  for (size_t i = 0; i < rates.size(); ++i) {
    log += LogLine(static_cast<int>(i), Concat("Iteration ", 100 * i, ", lr = ", rates[i]));
  }
  return log;
}

TEST_F(PlotTest, DrawsStepsOfTheRateUpright) {
  Write("a.log", RateLog({0.1, 0.1, 0.01, 0.01, 0.001, 0.001}));
  const Points steps = CurvesOf(Svg({"a.log"})).at(0);
  ASSERT_EQ(steps.size(), 8u);
  for (size_t i = 1; i < steps.size(); ++i) {  // only along the axes
    EXPECT_TRUE(steps[i].first == steps[i - 1].first || steps[i].second == steps[i - 1].second);
  }
  EXPECT_EQ(steps[2].first, steps[3].first);
  Write("a.log", RateLog({0.1, 0.09, 0.08, 0.07}));  // no steps
  EXPECT_EQ(CurvesOf(Svg({"a.log"})).at(0).size(), 4u);
}

TEST_F(PlotTest, TellsOfIdenticalCurves) {
  const std::string log = CaffeLog();
  Write("a.log", log);
  Write("b.log", std::regex_replace(log, std::regex("loss = 3"), "loss = 3.5"));
  Write("c.log", log);
  const auto texts = Texts(Svg({"a.log", "b.log", "c.log"}));
  EXPECT_THAT(texts, testing::Contains("a, c (identical)"));
  EXPECT_THAT(texts, testing::Contains("b"));
  EXPECT_THAT(texts, testing::Contains("learning rate (identical: a, b)"));
  EXPECT_THAT(texts, testing::Contains("loss"));
}

TEST_F(PlotTest, BeginsTheAxisOfSharesWhereItMatters) {
  std::string log;
  for (int i = 0; i <= 20; ++i) {
    log += LogLine(i, Concat("Iteration ", 100 * i, ", Testing net (#0)"));
    log +=
        LogLine(i, Concat("    Test net output #0: accuracy = ", i < 2 ? 0.1 : 0.97 + 0.001 * i));
  }
  Write("a.log", log);
  const std::string svg = Svg({"a.log"});
  const auto texts = Texts(svg);
  EXPECT_THAT(texts, testing::Contains("test/accuracy (its first values lie below the axis)"));
  EXPECT_THAT(texts, testing::Contains("0.975"));
  EXPECT_THAT(texts, testing::Not(testing::Contains("0.2")));
  EXPECT_THAT(texts, testing::Contains("dashed: test"));
  EXPECT_THAT(svg, HasSubstr("stroke-dasharray"));
  const Points curve = CurvesOf(svg).at(0);
  ASSERT_EQ(curve.size(), 20u);  // 19 points, and where the line crosses the frame
  for (const auto& [x, y] : curve) EXPECT_LE(y, 310);
}

// Logs, metrics files and event files have one name for the outputs of a second test net.
TEST_F(PlotTest, NumbersTestNetsAsEventFilesDo) {
  Write("a.log", LogLine(0, "Iteration 0, Testing net (#1)") +
                     LogLine(0, "    Test net output #0: accuracy = 0.5") +
                     LogLine(1, "Iteration 9, Testing net (#1)") +
                     LogLine(1, "    Test net output #0: accuracy = 0.6"));
  Write(
      "m.json",
      "{\"event\":\"test\",\"iteration\":0,\"time\":1,\"net\":1,\"outputs\":{\"accuracy\":0.5}}\n");
  for (const std::string file : {"a.log", "m.json"}) {
    EXPECT_THAT(Texts(Svg({file})), testing::Contains("test_1/accuracy")) << file;
    // The name that it had before.
    EXPECT_THAT(Texts(Svg({file, "--metric=test1/accuracy"})),
                testing::Contains("test_1/accuracy"));
    EXPECT_THAT(
        Plot({file, "--metric=test2/accuracy"}).err,
        HasSubstr("--metric=test2/accuracy: no such curve; the curves are test_1/accuracy"));
  }
}

// The numbers of one axis are all of one kind, and two panels leave no empty place.
TEST_F(PlotTest, HasOneStyleOfNumbers) {
  std::string log;
  for (int i = 0; i <= 10; ++i) {
    log += LogLine(i, Concat("Iteration ", 1000 * i, ", loss = ", 1 + 0.05 * i));
  }
  Write("a.log", log);
  const auto texts = Texts(Svg({"a.log"}));
  for (const std::string label : {"0", "2k", "4k", "10k", "1.0", "1.1", "1.5"}) {
    EXPECT_THAT(texts, testing::Contains(label));
  }
  Write("a.log", CaffeLog());
  // The third panel has the width of two.
  EXPECT_EQ(CurvesOf(Svg({"a.log"})).at(3).back().first, 1022);
}

TEST_F(PlotTest, WritesPng) {
  Write("a.log", CaffeLog());
  const ToolResult result = Plot({"a.log", "--out=a.png"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "Wrote a.png\n");
  const cv::Mat image = cv::imread((folder_ / "a.png").string());
  ASSERT_EQ(image.cols, 1040);
  int blue = 0;  // of the first colour, 0072b2
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      const cv::Vec3b pixel = image.at<cv::Vec3b>(y, x);
      blue += pixel[0] > 150 && pixel[2] < 60;
    }
  }
  EXPECT_GT(blue, 1000);
  EXPECT_LT(blue, 10000);
}

TEST_F(PlotTest, OverlaysRuns) {
  Write("a.log", CaffeLog());
  Write("b.log", std::regex_replace(CaffeLog(), std::regex("accuracy = 0.4"), "accuracy = 0.5"));
  const std::string svg = Svg({"a.log", "b.log", "--metric=accuracy"});
  EXPECT_EQ(CurvesOf(svg).size(), 1u);
  EXPECT_EQ(CurvesOf(svg, "#d55e00").size(), 1u);
  EXPECT_THAT(Texts(svg), testing::Contains("b"));
  std::filesystem::create_directories(folder_ / "x");
  Write("x/a.log",
        LogLine(0, "Iteration 1, loss = 2"));  // two of one name are told by their folders
  EXPECT_THAT(Texts(Svg({"a.log", "x/a.log"})), testing::Contains("x/a.log"));
}

TEST_F(PlotTest, ReplacesWhatAResumedRunDidAgain) {
  std::string log = CaffeLog();
  log += LogLine(35, "Solving LeNet") + LogLine(36, "Iteration 300, loss = 9") +
         LogLine(37, "Iteration 400 (1 iter/s, 1s/100 iters), loss = 8");
  Write("a.log", log);
  const auto curves = CurvesOf(Svg({"a.log", "--metric=train/loss,loss"}));
  ASSERT_EQ(curves.size(), 3u);
  EXPECT_EQ(curves[0].size(), 5u);  // the resumed part shows no outputs
  ASSERT_EQ(curves[1].size(), 5u);
  EXPECT_LT(curves[1][3].second, curves[1][4].second);  // 9 is above 8
  EXPECT_LT(curves[1][3].second, curves[1][0].second);  // and above 5
}

TEST_F(PlotTest, ShowsTimeWithoutPauses) {
  std::string log = LogLine(0, "Solving LeNet") + LogLine(10, "Iteration 0, loss = 1") +
                    LogLine(20, "Iteration 100, loss = 1");
  log +=
      "I0202 10:00:00.000000 1 solver.cpp:1] Solving LeNet\n"
      "I0202 10:00:20.000000 1 solver.cpp:1] Iteration 200, loss = 1\n";
  Write("a.log", log);
  Write("b.log", CaffeLog());
  const std::string svg = Svg({"a.log", "--x=time"});
  const auto curves = CurvesOf(svg);
  ASSERT_EQ(curves[0].size(), 3u);  // at 10, 20 and 40 seconds
  EXPECT_NEAR(curves[0][2].first - curves[0][1].first,
              2 * (curves[0][1].first - curves[0][0].first), 0.2);
  EXPECT_THAT(Texts(svg), testing::Contains("seconds"));
  EXPECT_THAT(Texts(Svg({"b.log", "--metric=speed"})), testing::Contains("iterations per second"));
}

TEST_F(PlotTest, BreaksCurvesWhereValuesAreNotFinite) {
  std::string log;
  const char* const losses[] = {"1", "2", "nan", "inf", "3", "-nan", "1"};
  for (int i = 0; i < 7; ++i) {
    log += LogLine(i, Concat("Iteration ", i * 100, ", loss = ", losses[i]));
  }
  Write("a.log", log);
  const auto curves = CurvesOf(Svg({"a.log"}));
  ASSERT_EQ(curves.size(), 1u);  // those of one point are dots, of another width
  EXPECT_EQ(curves[0].size(), 2u);
}

TEST_F(PlotTest, SmoothsTraining) {
  std::string log;
  for (int i = 0; i < 9; ++i) {
    log += LogLine(i, Concat("Iteration ", i * 100, ", loss = ", 2 + (i % 2)));
  }
  Write("a.log", log);
  const auto curves = CurvesOf(Svg({"a.log", "--smooth=2"}));
  ASSERT_EQ(curves.size(), 1u);  // beside the pale one
  for (int i = 2; i < 9; ++i) EXPECT_NEAR(curves[0][i].second, curves[0][1].second, 0.1);
}

TEST_F(PlotTest, DrawsMetricsFilesAsItDrawsLogs) {
  Write("net.prototxt",
        "layer { name: 'd' type: 'DummyData' top: 'd' top: 'l' dummy_data_param { "
        "shape { dim: 4 dim: 3 } shape { dim: 4 } data_filler { type: 'gaussian' } "
        "data_filler { value: 1 } } } layer { name: 'f' type: 'InnerProduct' "
        "bottom: 'd' top: 'f' inner_product_param { num_output: 5 } } "
        "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'f' bottom: 'l' "
        "top: 'loss' }");
  Write("solver.prototxt",
        "net: 'net.prototxt' base_lr: 0.1 lr_policy: 'step' gamma: 0.5 "
        "stepsize: 2 max_iter: 8 display: 1 test_iter: 1 test_interval: 4 "
        "snapshot_after_train: false random_seed: 3");
  const ToolResult result = RunTool({"train", "--solver=solver.prototxt", "--metrics=m.json",
                                     "--tensorboard=tb", "--histograms=4"},
                                    {folder_.string(), RLIM_INFINITY});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(FilesIn(folder_ / "tb").size(), 1u);
  Write("m.log", result.err);
  const auto of_log = CurvesOf(Svg({"m.log"})), of_metrics = CurvesOf(Svg({"m.json"}));
  ASSERT_EQ(of_log.size(), 3u);
  ASSERT_EQ(of_metrics.size(), 3u);
  for (int c = 0; c < 3; ++c) {
    ASSERT_EQ(of_log[c].size(), of_metrics[c].size());
    for (size_t i = 0; i < of_log[c].size(); ++i) {
      EXPECT_NEAR(of_log[c][i].first, of_metrics[c][i].first, 0.11);
      EXPECT_NEAR(of_log[c][i].second, of_metrics[c][i].second, 0.21);  // logs have six digits
    }
  }
}

TEST_F(PlotTest, TellsWhatIsWrong) {
  Write("a.log", CaffeLog());
  Write("none.log", "no training\n");
  Write("empty.log", "");
  Write("bad.json", "{\"event\":\"train\",\"iteration\":1,\"loss\":1}\n{oh}\n{}\n");
  const auto fails = [&](const std::vector<std::string>& words, int status,
                         const std::string& message) {
    const ToolResult result = Plot(words);
    EXPECT_EQ(result.status, status);
    EXPECT_THAT(result.err, HasSubstr(message));
  };
  fails({}, 2, "name at least one log or metrics file");
  fails({"a.log", "--out=x.gif"}, 2, "must end with .png or .svg");
  fails({"a.log", "--x=epoch"}, 2, "must be iteration or time");
  fails({"a.log", "--smooth=0"}, 2, "at least 1");
  fails({"no.log"}, 1, "no.log");
  fails({"none.log"}, 1, "none.log: contains no training log");
  fails({"empty.log"}, 1, "empty.log: contains no training log");
  fails({"bad.json"}, 1, "bad.json:2: this line is not from a metrics file");
  fails({"a.log", "--metric=acuracy"}, 1,
        "no such curve; the curves are test/accuracy, test/loss, loss, train/loss, lr, speed");
}

// The last line of a file that is being written, or whose machine stopped.
TEST_F(PlotTest, TakesAFileWhoseLastLineIsCutOff) {
  Write("m.json", "{\"event\":\"train\",\"iteration\":1,\"loss\":1}\n{\"event\":\"tr");
  EXPECT_EQ(Plot({"m.json"}).status, 0);
}

std::string MetricsLine(int iteration, const std::string& outputs) {
  return Concat("{\"event\":\"test\",\"iteration\":", iteration, ",\"time\":", 1000 + iteration,
                ",\"net\":0,\"outputs\":{", outputs, "}}\n");
}

// Two bytes of a file make a panel, which takes half a million pixels.
TEST_F(PlotTest, ShowsAsManyPanelsAsAPictureHolds) {
  std::string elements = "\"a\":[1";
  for (int i = 1; i < 1000; ++i) elements += ",1";
  Write("wide.jsonl", MetricsLine(0, elements + "]") + MetricsLine(1, elements + "]"));
  const std::string svg = Svg({"wide.jsonl"});
  EXPECT_THAT(Texts(svg), testing::Contains("test/a"));
  EXPECT_THAT(Texts(svg), testing::Contains("test/a[39]"));
  EXPECT_THAT(Texts(svg), Not(testing::Contains("test/a[40]")));
  const std::string note = "dashed: test; 960 more curves are not shown: choose with --metric";
  EXPECT_THAT(Texts(svg), testing::Contains(note));
  EXPECT_THAT(Texts(Svg({"wide.jsonl", "--metric=test/a[999]"})), testing::Contains("test/a[999]"));
  std::string all = "--metric=a";
  for (int i = 1; i <= 40; ++i) all += Concat(",a[", i, "]");
  EXPECT_THAT(Plot({"wide.jsonl", all}).err, HasSubstr("--metric names 41 curves"));
  EXPECT_THAT(Plot({"wide.jsonl", "--metric=b"}).err, HasSubstr("test/a[29] and 970 more"));
  EXPECT_THAT(Plot(std::vector<std::string>(10001, "wide.jsonl")).err, HasSubstr("at most 10000"));
}

// The legend of a long name is no wider than a picture.
TEST_F(PlotTest, ShortensNames) {
  const std::string name(200, 'n');
  Write(name + ".jsonl", MetricsLine(0, "\"a\":1"));
  EXPECT_THAT(Texts(Svg({name + ".jsonl"})),
              testing::Contains(name.substr(0, 60) + "..." + name.substr(0, 60)));
}

// Neither numbers without room between them nor infinite distances are drawn for ever.
TEST_F(PlotTest, NumbersThatCannotBeAreLeftOut) {
  const auto point = [](const std::string& iteration, const std::string& value) {
    return "{\"event\":\"train\",\"iteration\":" + iteration + ",\"time\":1e300,\"loss\":" + value +
           "}\n";
  };
  Write("odd.jsonl", point("-5", "1") + point("3", "1e20") + point("4", "100000000000000016384") +
                         point("5", "-1e308") + point("6", "1e999") + point("1e17", "2") +
                         point("100000000000000016", "3") + point("1e300", "4"));
  const std::string svg = Svg({"odd.jsonl"});
  const auto curves = CurvesOf(svg);
  ASSERT_EQ(curves.size(), 1u);
  EXPECT_EQ(curves[0].size(), 2u);  // what is between -1e100 and 1e100
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

// A reader that looks at each level again for each one within would take hours.
TEST_F(PlotTest, DeepJsonIsNoMetricsFile) {
  const std::string deep(1000000, '[');
  Write("deep.jsonl", "{\"event\":" + deep + "\n");
  EXPECT_THAT(Plot({"deep.jsonl"}).err, HasSubstr("contains no training log"));
  Write("log.jsonl", CaffeLog() + "{\"event\":" + deep + "\n");
  EXPECT_THAT(Texts(Svg({"log.jsonl"})), testing::Contains("loss"));
}

// Each of a million letters could be where a time begins.
TEST_F(PlotTest, NamesAHundredFilesInTheLegend) {
  std::vector<std::string> files;
  for (int i = 0; i < 102; ++i) {
    files.push_back(Concat("run", i, ".jsonl"));
    Write(files.back(), MetricsLine(0, Concat("\"a\":", i)) + MetricsLine(1, "\"a\":0"));
  }
  const std::vector<std::string> texts = Texts(Svg(files));
  EXPECT_THAT(texts, testing::Contains("run99"));
  EXPECT_THAT(texts, Not(testing::Contains("run100")));
  EXPECT_THAT(texts, testing::Contains(HasSubstr("the names of 2 more files are not shown")));
}

TEST_F(PlotTest, LooksForTimesNearCaffesWords) {
  std::string letters;
  for (int i = 0; i < 500000; ++i) letters += " I";
  Write("long.log",
        letters + " " + LogLine(1, "Iteration 1, loss = 2") + LogLine(3, "Iteration 2, loss = 1"));
  const auto curves = CurvesOf(Svg({"long.log", "--x=time"}));
  ASSERT_EQ(curves.size(), 1u);
  EXPECT_EQ(curves[0].size(), 2u);
}

}  // namespace
}  // namespace crema
