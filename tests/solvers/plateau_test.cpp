#include "solvers/plateau.h"

#include <limits>

#include "train/train_test_util.h"

namespace crema {
namespace {

proto::SolverParameter Windows(const std::string& text) { return ParseSolver(text); }

// The iterations, from 0, at which the rate falls while the metric takes these values.
std::vector<int> Falls(Plateau* plateau, const std::vector<double>& metric, bool less_is_better) {
  std::vector<int> falls;
  for (size_t t = 0; t < metric.size(); ++t) {
    if (plateau->Observe(metric[t], less_is_better, static_cast<int64_t>(t))) {
      falls.push_back(static_cast<int>(t));
    }
  }
  return falls;
}

// The best values come at 0 and 2; 3 iterations later the rate falls, 2 later again, then never.
TEST(PlateauTest, GoldenFalls) {
  Plateau plateau(Windows("plateau_winsize: 3 plateau_winsize: 2"));
  const std::vector<double> metric = {5, 6, 4, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9};
  EXPECT_EQ(Falls(&plateau, metric, true), (std::vector<int>{5, 7}));
  EXPECT_EQ(plateau.steps(), 2);
  EXPECT_EQ(plateau.best(), 4);
}

TEST(PlateauTest, MoreMayBeBetter) {
  Plateau plateau(Windows("plateau_winsize: 2"));
  EXPECT_EQ(Falls(&plateau, {-3, -2, -1, -1, -1}, false), std::vector<int>{4});
  EXPECT_EQ(plateau.best(), -1);
}

TEST(PlateauTest, NanIsNotTheBest) {
  Plateau plateau(Windows("plateau_winsize: 9"));
  Falls(&plateau, {std::numeric_limits<double>::quiet_NaN(), 7}, true);
  EXPECT_EQ(plateau.best(), 7);
}

// Split anywhere, and kept in either form of state, the falls stay the same.
TEST(PlateauTest, GoesOnFromItsState) {
  const std::vector<double> metric = {5, 6, 4, 4, 5, 6, 7, 8, 9, 9, 3, 9, 9, 9};
  const auto solver = Windows("plateau_winsize: 3 plateau_winsize: 2 plateau_winsize: 2");
  Plateau whole(solver);
  const std::vector<int> expected = Falls(&whole, metric, true);
  ASSERT_EQ(expected.size(), 3u);
  for (size_t split = 0; split <= metric.size(); ++split) {
    for (const bool ssd : {false, true}) {
      Plateau first(solver), second(solver);
      std::vector<int> falls;
      for (size_t t = 0; t < metric.size(); ++t) {
        if (t == split) {
          proto::SolverState state;
          first.Save(&state);
          if (ssd) state.clear_progress();
          second.Restore(state);
        }
        Plateau* now = t < split ? &first : &second;
        if (now->Observe(metric[t], true, static_cast<int64_t>(t))) {
          falls.push_back(static_cast<int>(t));
        }
      }
      EXPECT_EQ(falls, expected) << split;
    }
  }
}

}  // namespace
}  // namespace crema
