// Takes iterations and tests back that were given up, as if they had not begun; and shows for a
// moment how everything was before the tests of an iteration.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "train/averaged_weights.h"
#include "train/metric_watch.h"
#include "train/net_set.h"
#include "train/pass_state.h"
#include "train/progress_reporter.h"
#include "train/tester.h"

namespace crema {

class Rollback {
 public:
  // What it takes back. All of it lives longer.
  struct Parts {
    NetSet* nets;
    AveragedWeights* average;
    MetricWatch* metrics;
    Tester* tester;
    ProgressReporter* reporter;
  };
  // `takes_iterations`: iterations may be interrupted, so their state is noted each time.
  // `keeps_gradients`: a snapshot after such an end has the gradients of the iteration before.
  Rollback(const Parts& parts, bool takes_iterations, bool keeps_gradients);

  // Runs `passes`. Returns false if PassInterrupted ends them; then all is as it was before them,
  // and before the tests of the iteration, which will be repeated.
  bool RunIteration(int64_t iteration, const std::function<void()>& passes);

  // Runs `tests`, which return false if they were stopped on the way. Then, or if they throw, all
  // is as it was before the tests of this iteration. Further tests of an iteration (a program's)
  // change nothing about how it was before them.
  void RunTests(int64_t iteration, const std::function<bool()>& tests);

  // While one lives, all but the positions in the data is as it was before the tests of this
  // iteration, during these tests, too: a snapshot depends on the iteration alone.
  class BeforeTests {
   public:
    BeforeTests(Rollback* rollback, int64_t iteration);
    ~BeforeTests();
    BeforeTests(const BeforeTests&) = delete;
    BeforeTests& operator=(const BeforeTests&) = delete;

   private:
    void ExchangeStates();

    Rollback& rollback_;
    bool tested_, used_average_;
  };

 private:
  void NoteBeforeTests();
  void TakeTestsBack();

  Parts parts_;
  std::unique_ptr<PassState> before_iteration_;           // null: iterations are always finished
  std::vector<std::unique_ptr<PassState>> before_tests_;  // of the train net, then the others
  bool in_tests_ = false;
  int64_t tested_ = -1;  // the iteration of the last tests that were finished
};

}  // namespace crema
