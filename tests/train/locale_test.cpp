// File names, logs and records of a training in a program whose locale writes 10.000,5.
#include <gmock/gmock.h>

#include "train/metrics_file.h"
#include "train/report.h"
#include "train/snapshot_files.h"
#include "train/train_test_util.h"
#include "util/comma_locale.h"

namespace crema {
namespace {

TEST(LocaleTest, SnapshotsKeepTheirNames) {
  const test::CommaStreams comma;
  EXPECT_EQ(PathsOf("p", 10000, false).weights, "p_iter_10000.caffemodel");
  EXPECT_EQ(PathsOf("p", 10000, true).state, "p_iter_10000.solverstate.h5");
}

TEST(LocaleTest, TheLogKeepsItsNumbers) {
  const test::CommaStreams comma;
  LogCapture log;
  LogObserver observer(1000);
  TrainPoint point;
  point.iteration = 10000;
  point.iterations = 1000;
  point.seconds = 0.5;
  point.loss = 0.25;
  point.learning_rate = 0.125;
  point.outputs = {{"loss", 1, 0.25}};
  observer.OnDisplay(point);
  observer.OnTestStart(10000, 0);
  EXPECT_EQ(log.lines(), (std::vector<std::string>{
                             "Iteration 10000 (2000 iter/s, 0.5s/1000 iters), loss = 0.25",
                             "    Train net output #0: loss = 0.25 (* 1 = 0.25 loss)",
                             "Iteration 10000, lr = 0.125",
                             "Iteration 10000, Testing net (#0)",
                         }));
}

TEST(LocaleTest, MetricsAreJson) {
  const test::CommaStreams comma;
  const std::string path = (TestFolder() / "metrics.jsonl").string();
  TestPoint point;
  point.iteration = 10000;
  point.outputs = {{"loss", 1, 12345.5}};
  MetricsFile(path).OnTest(point);
  EXPECT_THAT(ReadTestFile(path), testing::AllOf(testing::HasSubstr("\"iteration\":10000,"),
                                                 testing::HasSubstr("\"loss\":12345.5")));
}

TEST(LocaleTest, JsonDoesNotDependOnTheLocaleOfC) {
  const test::CommaLocale comma;
  if (!comma.found()) GTEST_SKIP() << "the system has no locale with a decimal comma";
  EXPECT_EQ(JsonNumber(2.5), "2.5");
  EXPECT_EQ(JsonNumber(0.1234567891), "0.12345679");
}

TEST(LocaleTest, ATrainingGoesOnFromItsSnapshot) {
  const test::CommaStreams comma;
  const auto folder = TestFolder();
  ASSERT_TRUE(MakeTrainer(ParseSolver(TinySolver(folder)))->Train());
  for (const std::string& name : FilesIn(folder)) {
    EXPECT_EQ(name.find("_iter_1."), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace crema
