#include "train/metric_watch.h"

#include <limits>

#include "train/train_test_util.h"

namespace crema {
namespace {

using Outputs = std::vector<std::vector<TestOutput>>;

// Two test nets: the first has an output of three values, which comes before the others.
Outputs TwoNets() {
  return {{{"classes", 0, 3}, {"loss", 1, 1}}, {{"accuracy", 0, 1}, {"loss", 1, 1}}};
}

MetricWatch Watch(const std::string& solver, const Outputs& outputs = TwoNets()) {
  return MetricWatch(ParseSolver(solver), outputs);
}

std::string WatchError(const std::string& solver, const Outputs& outputs = TwoNets()) {
  return ErrorOf([&] { Watch(solver, outputs); });
}

TEST(MetricWatchTest, WatchesNothingUnlessItIsAskedTo) {
  MetricWatch watch = Watch("");
  EXPECT_FALSE(watch.watches_best());
  EXPECT_FALSE(watch.plateau_follows_tests());
  watch.NoteTest(0, {1, 2, 3, 4});
  EXPECT_FALSE(watch.plateau_value().has_value());
  EXPECT_FALSE(watch.BetterValue(0, {1, 2, 3, 4}).has_value());
  EXPECT_EQ(watch.best_iteration(), -1);
  // Another policy than plateau has no use for its fields.
  EXPECT_EQ(WatchError("lr_policy: 'fixed' plateau_metric: 'none' plateau_mode: 'none'"), "");
}

TEST(MetricWatchTest, FindsThePlateauMetric) {
  const std::string plateau = "lr_policy: 'plateau' ";
  MetricWatch loss = Watch(plateau + "plateau_metric: 'loss'");
  EXPECT_TRUE(loss.plateau_follows_tests());
  EXPECT_TRUE(loss.plateau_less_is_better());
  loss.NoteTest(1, {9, 9});
  EXPECT_FALSE(loss.plateau_value().has_value());
  loss.NoteTest(0, {1, 2, 3, 4});
  EXPECT_EQ(loss.plateau_value(), 4);
  MetricWatch accuracy = Watch(plateau + "plateau_metric: 'accuracy'");
  EXPECT_FALSE(accuracy.plateau_less_is_better());
  accuracy.NoteTest(1, {5, 6});
  EXPECT_EQ(accuracy.plateau_value(), 5);
  MetricWatch first = Watch(plateau + "plateau_metric: 'classes' plateau_mode: 'min'");
  EXPECT_TRUE(first.plateau_less_is_better());
  first.NoteTest(0, {1, 2, 3, 4});
  EXPECT_EQ(first.plateau_value(), 1);
  EXPECT_FALSE(Watch(plateau + "plateau_mode: 'max'").plateau_less_is_better());
  EXPECT_TRUE(Watch(plateau).plateau_less_is_better());
}

TEST(MetricWatchTest, FindsTheBest) {
  MetricWatch watch = Watch("snapshot_best: 'accuracy'");
  EXPECT_TRUE(watch.watches_best());
  EXPECT_FALSE(watch.BetterValue(0, {9, 9, 9, 9}).has_value());  // of another net
  EXPECT_EQ(watch.BetterValue(1, {0.5, 9}), 0.5);
  watch.SetBest(0.5, 10);
  EXPECT_EQ(watch.best_iteration(), 10);
  EXPECT_FALSE(watch.BetterValue(1, {0.5, 9}).has_value());  // the earlier one stays
  EXPECT_FALSE(watch.BetterValue(1, {0.25, 9}).has_value());
  EXPECT_EQ(watch.BetterValue(1, {0.75, 9}), 0.75);
  EXPECT_FALSE(watch.BetterValue(1, {std::numeric_limits<double>::infinity(), 9}).has_value());
  EXPECT_FALSE(watch.BetterValue(1, {std::numeric_limits<double>::quiet_NaN(), 9}).has_value());
}

TEST(MetricWatchTest, TheBestMayBeTheLowest) {
  for (const char* text :
       {"snapshot_best: 'loss'", "snapshot_best: 'loss' snapshot_best_is: LOWEST"}) {
    MetricWatch watch = Watch(text);
    watch.SetBest(2, 10);
    EXPECT_EQ(watch.BetterValue(0, {0, 0, 0, 1}), 1) << text;
    EXPECT_FALSE(watch.BetterValue(0, {0, 0, 0, 3}).has_value()) << text;
  }
  MetricWatch watch = Watch("snapshot_best: 'loss' snapshot_best_is: HIGHEST");
  watch.SetBest(2, 10);
  EXPECT_EQ(watch.BetterValue(0, {0, 0, 0, 3}), 3);
}

TEST(MetricWatchTest, ExplainsWhatItCannotFind) {
  EXPECT_EQ(
      WatchError("snapshot_best: 'classes'"),
      "solver: snapshot_best is 'classes', but no test net has a single-valued output of that "
      "name; there are: accuracy, loss");
  EXPECT_EQ(WatchError("snapshot_best: 'loss'", {}),
            "solver: snapshot_best is 'loss', but no test net has a single-valued output of that "
            "name; there are none; set test_iter and test_interval");
  EXPECT_EQ(
      WatchError("snapshot_best_is: LOWEST"),
      "solver: snapshot_best_is is set without snapshot_best; set snapshot_best to an output");
  const std::string plateau = "lr_policy: 'plateau' ";
  EXPECT_EQ(WatchError(plateau + "plateau_mode: 'least'"),
            "solver: plateau_mode is 'least'; use \"min\" or \"max\"");
  EXPECT_EQ(WatchError(plateau + "plateau_metric: 'acc'"),
            "solver: plateau_metric 'acc' is not an output of a test net; the outputs are: "
            "accuracy, classes, loss");
  EXPECT_EQ(WatchError(plateau + "plateau_metric: 'acc'", {}),
            "solver: plateau_metric 'acc' is not an output of a test net; there are none: set "
            "test_iter and test_interval");
}

const char kBoth[] = "lr_policy: 'plateau' plateau_metric: 'loss' snapshot_best: 'loss'";

// A snapshot during a test knows what was known before; a test that is given up was not made.
TEST(MetricWatchTest, TestsCanBeTakenBack) {
  MetricWatch watch = Watch(kBoth);
  watch.NoteTest(0, {0, 0, 0, 5});
  watch.SetBest(5, 10);
  watch.Note();
  watch.NoteTest(0, {0, 0, 0, 4});
  watch.SetBest(4, 20);
  watch.Exchange();
  EXPECT_EQ(watch.plateau_value(), 5);
  EXPECT_EQ(watch.best_iteration(), 10);
  watch.Exchange();
  EXPECT_EQ(watch.plateau_value(), 4);
  EXPECT_EQ(watch.best_iteration(), 20);
  watch.TakeBack();
  EXPECT_EQ(watch.plateau_value(), 5);
  EXPECT_EQ(watch.best_iteration(), 10);
  EXPECT_EQ(watch.BetterValue(0, {0, 0, 0, 4}), 4);
}

TEST(MetricWatchTest, GoesOnFromItsState) {
  MetricWatch first = Watch(kBoth), second = Watch(kBoth);
  proto::SolverProgress progress;
  first.Save(&progress);
  EXPECT_FALSE(progress.has_plateau_value() || progress.has_best_value() ||
               progress.has_best_iteration());
  second.Restore(progress);
  EXPECT_FALSE(second.plateau_value().has_value());
  EXPECT_EQ(second.best_iteration(), -1);
  first.NoteTest(0, {0, 0, 0, 5});
  first.SetBest(4, 10);
  first.Save(&progress);
  second.Restore(progress);
  EXPECT_EQ(second.plateau_value(), 5);
  EXPECT_EQ(second.best_iteration(), 10);
  EXPECT_FALSE(second.BetterValue(0, {0, 0, 0, 4}).has_value());
  EXPECT_EQ(second.BetterValue(0, {0, 0, 0, 3}), 3);
}

}  // namespace
}  // namespace crema
