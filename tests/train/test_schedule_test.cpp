#include "train/test_schedule.h"

#include "train/train_test_util.h"

namespace crema {
namespace {

// Of the iterations 0 to 11.
std::vector<int> Tests(const std::string& solver) {
  const TestSchedule schedule(ParseSolver(solver));
  std::vector<int> tests;
  for (int i = 0; i < 12; ++i) {
    if (schedule.ShouldTest(i)) tests.push_back(i);
  }
  return tests;
}

TEST(TestScheduleTest, GoldenIterations) {
  EXPECT_EQ(Tests(""), std::vector<int>{});
  EXPECT_EQ(Tests("test_interval: 5"), (std::vector<int>{0, 5, 10}));
  EXPECT_EQ(Tests("test_interval: 5 test_initialization: false"), (std::vector<int>{5, 10}));
  EXPECT_EQ(Tests("test_interval: 5 test_offset: 2"), (std::vector<int>{2, 7}));
  EXPECT_EQ(Tests("test_interval: 5 test_offset: 7"), (std::vector<int>{2, 7}));
}

// A trained net is tested at the end even if an untrained one would not be.
TEST(TestScheduleTest, IterationZeroIsOneOfTheInterval) {
  const TestSchedule schedule(ParseSolver("test_interval: 5 test_initialization: false"));
  EXPECT_TRUE(schedule.IsTestIteration(0));
  EXPECT_FALSE(schedule.ShouldTest(0));
  EXPECT_FALSE(TestSchedule(ParseSolver("")).IsTestIteration(0));
}

// What a run that was never stopped would have tested by then.
TEST(TestScheduleTest, CountsTheTestsBefore) {
  for (int interval = 0; interval <= 4; ++interval) {
    for (int offset = -5; offset <= 9; ++offset) {
      for (const char* first : {"true", "false"}) {
        const std::string text = Concat("test_interval: ", interval, " test_offset: ", offset,
                                        " test_initialization: ", first);
        const TestSchedule schedule(ParseSolver(text));
        int64_t tests = 0;
        for (int i = 0; i < 20; ++i) {
          EXPECT_EQ(schedule.TestsBefore(i), tests) << text << ", iteration " << i;
          tests += schedule.ShouldTest(i);
        }
      }
    }
  }
}

}  // namespace
}  // namespace crema
