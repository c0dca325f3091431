#include "train/rate_schedule.h"

#include "train/train_test_util.h"

namespace crema {
namespace {

const char kPlateau[] = "lr_policy: 'plateau' base_lr: 0.5 gamma: 0.5 plateau_winsize: 2 ";

// A metric that never gets better, and counts how often it is asked for.
RateSchedule::Metric Constant(int* asked) {
  return [asked] {
    ++*asked;
    return std::optional<double>(1);
  };
}

TEST(RateScheduleTest, ByTheIterationAlone) {
  const auto solver = ParseSolver("lr_policy: 'step' base_lr: 0.5 gamma: 0.5 stepsize: 2");
  RateSchedule schedule(solver, true);
  int asked = 0;
  EXPECT_EQ(schedule.RateOf(1, Constant(&asked)), 0.5);
  EXPECT_EQ(schedule.RateOf(2, Constant(&asked)), 0.25);
  EXPECT_EQ(schedule.RateOf(1, Constant(&asked)), 0.5);
  EXPECT_EQ(asked, 0);
  proto::SolverState state;
  schedule.Save(2, &state);  // the last update was that of iteration 1
  EXPECT_EQ(state.current_step(), 0);
  schedule.Save(3, &state);
  EXPECT_EQ(state.current_step(), 1);
  schedule.Save(0, &state);
  EXPECT_EQ(state.current_step(), 0);
}

TEST(RateScheduleTest, APlateauLooksOnceAnIteration) {
  const auto solver = ParseSolver(kPlateau);
  RateSchedule schedule(solver, true);
  int asked = 0;
  std::vector<double> rates;
  LogCapture log;
  for (int i = 0; i < 4; ++i) {
    for (int k = 0; k < 3; ++k) rates.push_back(schedule.RateOf(i, Constant(&asked)));
  }
  EXPECT_EQ(rates, (std::vector<double>{0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25,
                                        0.25}));
  EXPECT_EQ(asked, 4);
  EXPECT_EQ(log.lines(), std::vector<std::string>{"Plateau Status: Iteration 2, step = 1"});
}

// Nor does it look during a warm-up, or before the first test.
TEST(RateScheduleTest, APlateauWaitsForItsMetric) {
  const auto solver = ParseSolver(std::string(kPlateau) + "warmup_iter: 3 warmup_start_lr: 0.1");
  RateSchedule schedule(solver, true);
  int asked = 0;
  for (int i = 0; i < 3; ++i) schedule.RateOf(i, Constant(&asked));
  EXPECT_EQ(asked, 0);
  for (int i = 3; i < 9; ++i) {
    EXPECT_EQ(schedule.RateOf(i, [] { return std::optional<double>(); }), 0.5);
  }
  schedule.RateOf(9, Constant(&asked));
  EXPECT_EQ(asked, 1);
}

TEST(RateScheduleTest, APlateauGoesOnFromItsState) {
  const auto solver = ParseSolver(std::string(kPlateau) + "plateau_winsize: 2");
  RateSchedule first(solver, true), second(solver, true);
  int asked = 0;
  for (int i = 0; i < 3; ++i) first.RateOf(i, Constant(&asked));
  proto::SolverState state;
  first.Save(3, &state);
  EXPECT_EQ(state.current_step(), 1);
  second.Restore(state);
  EXPECT_EQ(second.RateOf(3, Constant(&asked)), 0.25);
  EXPECT_EQ(second.RateOf(4, Constant(&asked)), 0.125);
}

// The metric rises: with "max" that is better, with "min" the rate falls.
TEST(RateScheduleTest, MoreMayBeBetter) {
  const auto solver = ParseSolver(kPlateau);
  for (const bool less_is_better : {false, true}) {
    RateSchedule schedule(solver, less_is_better);
    double rate = 0;
    for (int i = 0; i < 4; ++i) {
      rate = schedule.RateOf(i, [i] { return std::optional<double>(i); });
    }
    EXPECT_EQ(rate, less_is_better ? 0.25 : 0.5);
  }
}

}  // namespace
}  // namespace crema
