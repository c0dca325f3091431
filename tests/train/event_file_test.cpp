// Event files, read back by a Python script that shares no code with the writer.
#include "train/event_file.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <limits>

#include "events.pb.h"
#include "train/metrics_file.h"
#include "train/train_test_util.h"
#include "util/paths.h"

namespace crema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What read_events.py prints of a file.
std::vector<std::string> ReadEvents(const std::string& path) {
  const std::string command = "python3 '" +
                              (SourceFolder() / "tests/train/read_events.py").string() + "' '" +
                              path + "' 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::vector<std::string> lines;
  char line[65536];
  while (std::fgets(line, sizeof line, pipe) != nullptr) lines.emplace_back(line);
  EXPECT_EQ(pclose(pipe), 0) << testing::PrintToString(lines);
  return lines;
}

std::string Solver(const std::filesystem::path& folder) {
  return TinySolver(folder) + "display: 5 test_iter: 2 test_interval: 5 snapshot: 5 ";
}

// Trains in a folder of its own, with an event file in `folder`/events. Returns the file's path.
std::string TrainWithEvents(const std::string& solver, const std::filesystem::path& folder,
                            int64_t histograms = 0, const std::string& resume_from = "") {
  TrainOptions options;
  options.resume_from = resume_from;
  Trainer trainer(ParseSolver(solver), options);
  const auto events = std::make_shared<EventFile>((folder / "events").string(), histograms);
  trainer.AddObserver(events);
  trainer.Train();
  return events->path();
}

TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(EventFile, IsReadByAnIndependentReader) {
  const auto folder = TestFolder();
  LogCapture log;
  const auto lines = ReadEvents(TrainWithEvents(Solver(folder), folder));
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_THAT(lines[0], HasSubstr("\"version\": \"brain.Event:2\""));
  EXPECT_THAT(lines[1], HasSubstr("\"step\": 0, \"session\": \"start\""));
  EXPECT_THAT(lines[2], HasSubstr("\"step\": 0, \"values\": {\"test/loss\": "));
  EXPECT_THAT(lines[3], HasSubstr("\"step\": 0, \"values\": {\"loss\": "));
  EXPECT_THAT(lines[3], HasSubstr("\"train/loss\": "));
  EXPECT_THAT(lines[3], HasSubstr("\"learning_rate\": 0.1"));
  EXPECT_THAT(lines[5], HasSubstr("\"speed/iterations_per_second\": "));
  EXPECT_THAT(lines[7], HasSubstr("\"step\": 10"));
  // The values are those of the log.
  const auto of_log = log.With("Test net output #0: loss = ");
  const auto value = [](const std::string& text, const std::string& key) {
    return std::stod(text.substr(text.find(key) + key.size()));
  };
  ASSERT_EQ(of_log.size(), 3u);
  EXPECT_NEAR(value(lines[2], "\"test/loss\": "), value(of_log[0], "loss = "), 1e-5);
  EXPECT_NEAR(value(lines[7], "\"test/loss\": "), value(of_log[2], "loss = "), 1e-5);
}

// TensorBoard reads files in the order of their names, and drops what came after the last start.
TEST(EventFile, ResumingAddsAFileThatStartsAtTheSnapshot) {
  const auto folder = TestFolder();
  const std::string first = TrainWithEvents(Solver(folder), folder);
  const std::string second =
      TrainWithEvents(Solver(folder), folder, 0, (folder / "tiny_iter_5.solverstate").string());
  EXPECT_NE(first, second);
  EXPECT_EQ(FilesIn(folder / "events").size(), 2u);
  EXPECT_THAT(ReadEvents(second)[1], HasSubstr("\"step\": 5, \"session\": \"start\""));
  EXPECT_EQ(ReadEvents(first).size(), 8u);  // nothing of it is lost
}

TEST(EventFile, HoldsHistogramsOnRequest) {
  const auto folder = TestFolder();
  const auto lines = ReadEvents(TrainWithEvents(Solver(folder), folder, 4));
  std::vector<std::string> found;
  for (const std::string& line : lines) {
    if (line.find("weights/fc.0") != std::string::npos) found.push_back(line);
  }
  ASSERT_EQ(found.size(), 3u);  // 0, 4, 8
  EXPECT_THAT(found[1], HasSubstr("\"step\": 4"));
  EXPECT_THAT(found[1], HasSubstr("\"gradients/fc.0\": {\"min\": "));
  EXPECT_THAT(found[1], HasSubstr("\"weights/fc.1\": "));
  EXPECT_THAT(found[1], HasSubstr("\"num\": 6.0"));  // a weight of 2 x 3
}

// TensorBoard drops events with other texts.
TEST(EventFile, TagsAreUtf8) {
  EventFile file(TestFolder().string(), 0);
  TrainPoint point;
  point.outputs = {{"caf\xe9", 0, 1.0}};
  file.OnDisplay(point);
  EXPECT_THAT(ReadTestFile(file.path()), HasSubstr("train/caf\xc3\xa9"));
}

TEST(EventFile, TellsAFolderThatCannotBeMade) {
  const auto folder = TestFolder();
  WriteTestFile(folder / "file", "x");
  EXPECT_THAT([&] { EventFile((folder / "file" / "events").string(), 0); },
              testing::ThrowsMessage<Error>(HasSubstr("cannot create this folder")));
}

TEST(FillHistogram, CountsFiniteValues) {
  events::Histogram histogram;
  const double inf = std::numeric_limits<double>::infinity();
  FillHistogram({0, 64, 1.5, 1.25, -inf, inf, std::nan(""), 64}, &histogram);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 64);
  EXPECT_EQ(histogram.num(), 5);
  EXPECT_EQ(histogram.sum(), 130.75);
  EXPECT_EQ(histogram.sum_squares(), 2 * 64 * 64 + 1.5 * 1.5 + 1.25 * 1.25);
  ASSERT_EQ(histogram.bucket_size(), 64);
  EXPECT_EQ(histogram.bucket(0), 1);
  EXPECT_EQ(histogram.bucket(1), 2);
  EXPECT_EQ(histogram.bucket(63), 2);  // the greatest value belongs to the last bucket
  EXPECT_EQ(histogram.bucket_limit(0), 1);
  EXPECT_EQ(histogram.bucket_limit(63), 64);
}

TEST(FillHistogram, OfEqualValuesHasOneBucket) {
  events::Histogram histogram;
  FillHistogram({3, 3}, &histogram);
  ASSERT_EQ(histogram.bucket_size(), 1);
  EXPECT_EQ(histogram.bucket(0), 2);
  EXPECT_EQ(histogram.bucket_limit(0), 3);
  events::Histogram empty;
  FillHistogram({std::nan("")}, &empty);
  EXPECT_EQ(empty.bucket_size(), 0);
}

}  // namespace
}  // namespace crema
