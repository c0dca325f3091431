// Metrics files: JSON lines.
#include "train/metrics_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <limits>

#include "train/train_test_util.h"

namespace crema {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using testing::ThrowsMessage;

std::vector<std::string> Lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::istringstream text(ReadTestFile(path));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TrainPoint PointAt(int64_t iteration) {
  TrainPoint point;
  point.iteration = iteration;
  point.loss = 0.25;
  point.outputs = {{"loss", 1, 0.5}};
  point.learning_rate = 0.01;
  point.seconds = 2;
  point.iterations = 100;
  return point;
}

// What stands behind the time, which is another each time.
std::string AfterTime(const std::string& line) {
  return line.substr(line.find(',', line.find("\"time\":")) + 1);
}

TEST(MetricsFile, HasALineForEachEvent) {
  const auto path = TestFolder() / "metrics";
  {
    MetricsFile metrics(path.string());
    metrics.OnStart({"net", "inv", 0});
    TrainPoint point = PointAt(100);
    point.waited = 0.125;
    metrics.OnDisplay(point);
    metrics.OnTest({100, 1, 0.75, {{"a", 0, 1}, {"pair", 0, 2}, {"pair", 0, 3}}});
    point.last = true;
    metrics.OnDisplay(point);
  }
  const auto lines = Lines(path);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[0], StartsWith(R"({"event":"start","iteration":0,"time":)"));
  EXPECT_EQ(AfterTime(lines[0]), R"("net":"net","lr_policy":"inv"})");
  EXPECT_THAT(lines[1], StartsWith(R"({"event":"train","iteration":100,"time":)"));
  EXPECT_EQ(AfterTime(lines[1]), R"("loss":0.25,"outputs":{"loss":0.5},"lr":0.01,"seconds":2,)"
                                 R"("iterations":100,"waited":0.125})");
  EXPECT_THAT(lines[2], StartsWith(R"({"event":"test","iteration":100,"time":)"));
  EXPECT_EQ(AfterTime(lines[2]), R"("net":1,"loss":0.75,"outputs":{"a":1,"pair":[2,3]}})");
  EXPECT_EQ(AfterTime(lines[3]), R"("loss":0.25,"outputs":{"loss":0.5}})");
}

TEST(MetricsFile, GoesOnBehindWholeLines) {
  const auto path = TestFolder() / "metrics";
  MetricsFile(path.string()).OnStart({"first", "inv", 0});
  const std::string whole = ReadTestFile(path);
  WriteTestFile(path, whole + "{\"event\":\"tra");  // the power failed
  MetricsFile(path.string()).OnStart({"second", "inv", 5});
  ASSERT_EQ(Lines(path).size(), 2u);
  EXPECT_EQ(Lines(path)[0] + "\n", whole);
  EXPECT_THAT(Lines(path)[1], HasSubstr("\"second\""));
  WriteTestFile(path, "{\"ev");
  MetricsFile(path.string()).OnStart({"third", "inv", 5});
  EXPECT_EQ(Lines(path).size(), 1u);
}

// An editor may leave out the last end of a line, or somebody may have added a note.
TEST(MetricsFile, KeepsLastLinesThatOnlyLackTheirEnd) {
  const auto path = TestFolder() / "metrics";
  const std::string first = R"({"event":"start","iteration":0,"net":"a}\"{b"})";
  const std::string with_note = first + "\nlearning rate raised";
  for (const std::string& old : {first, first + " ", first + " # a note", with_note,
                                 first + "\n{\"note\": 1}", first + "\n" + first}) {
    WriteTestFile(path, old);
    MetricsFile(path.string()).OnStart({"second", "inv", 5});
    const std::string now = ReadTestFile(path);
    EXPECT_THAT(now, StartsWith(old + "\n{\"event\":\"start\",\"iteration\":5,"));
  }
}

TEST(MetricsFile, DropsWhatIsCut) {
  const auto path = TestFolder() / "metrics";
  const std::string whole = "{\"event\":\"start\"}\n";
  const std::string nested = R"({"event":"train","outputs":{"loss":0.5})";
  const std::string in_string = R"({"event":"start","net":"a}")";
  for (const std::string& cut : {nested, in_string, std::string("{\"ev"), std::string(9, '\0')}) {
    WriteTestFile(path, whole + cut);
    MetricsFile(path.string()).OnStart({"second", "inv", 5});
    EXPECT_THAT(ReadTestFile(path), StartsWith(whole + "{\"event\":\"start\",\"iteration\":5,"));
  }
}

TEST(MetricsFile, LeavesOtherFilesAlone) {
  const auto path = TestFolder() / "net.prototxt";
  WriteTestFile(path, "name: \"x\"");
  EXPECT_THAT([&] { MetricsFile{path.string()}; },
              ThrowsMessage<Error>(HasSubstr("exists and is not a metrics file")));
  EXPECT_EQ(ReadTestFile(path), "name: \"x\"");
  EXPECT_THAT([&] { MetricsFile{(TestFolder() / "no/such").string()}; },
              ThrowsMessage<Error>(HasSubstr("cannot be written: No such file")));
}

// A file that may not grow stands for a full disk.
TEST(MetricsFile, LeavesOutWhatDoesNotFit) {
  const auto path = TestFolder() / "metrics";
  MetricsFile metrics(path.string());
  metrics.OnDisplay(PointAt(100));
  const std::string before = ReadTestFile(path);
  rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{before.size() + 20, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  {
    LogCapture log;
    metrics.OnDisplay(PointAt(200));
    metrics.OnDisplay(PointAt(300));
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_EQ(log.warnings().size(), 1u);  // not one a line
  }
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(ReadTestFile(path), before);
  metrics.OnDisplay(PointAt(400));
  ASSERT_EQ(Lines(path).size(), 2u);
  EXPECT_THAT(Lines(path)[1], HasSubstr("\"iteration\":400"));
}

TEST(JsonNumber, HasNamesForWhatJsonLacks) {
  EXPECT_EQ(JsonNumber(0.1), "0.1");
  EXPECT_EQ(JsonNumber(0.1f), "0.1");
  EXPECT_EQ(JsonNumber(0.539588064f), "0.5395881");
  EXPECT_EQ(JsonNumber(16777215), "16777215");
  EXPECT_EQ(JsonNumber(-1e-20), "-1e-20");
  EXPECT_EQ(JsonNumber(std::nan("")), "\"nan\"");
  EXPECT_EQ(JsonNumber(std::numeric_limits<double>::infinity()), "\"inf\"");
  EXPECT_EQ(JsonNumber(-std::numeric_limits<double>::infinity()), "\"-inf\"");
}

TEST(JsonString, EscapesWhatItMust) {
  EXPECT_EQ(JsonString("a/b"), "\"a/b\"");
  EXPECT_EQ(JsonString("\"\\\n"), "\"\\\"\\\\\\u000a\"");
  EXPECT_EQ(JsonString("\xc3\xa9"), "\"\xc3\xa9\"");                   // e with an accent
  EXPECT_EQ(JsonString("\xe9"), "\"\\u00e9\"");                        // the same in Latin-1
  EXPECT_EQ(JsonString("\xed\xa0\x80"), "\"\\u00ed\\u00a0\\u0080\"");  // a surrogate is no UTF-8
  EXPECT_EQ(JsonString("\xf0\x9f\x98"), "\"\\u00f0\\u009f\\u0098\"");  // cut off
}

}  // namespace
}  // namespace crema
