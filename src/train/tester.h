// Tests of the test nets: their passes, and the means over them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "train/averaged_weights.h"
#include "train/interruptible_pass.h"
#include "train/net_set.h"
#include "train/non_finite_guard.h"
#include "train/progress_reporter.h"

namespace crema {

namespace proto {
class SolverParameter;
}

class Tester {
 public:
  // All that is given lives longer.
  Tester(const proto::SolverParameter& solver, NetSet* nets, AveragedWeights* average,
         NonFiniteGuard* guard, const ProgressReporter* reporter, const Interrupt& interrupt);

  // Tests net `i`, with the averaged weights if there are some, and tells the observers. Before
  // each batch `goes_on` is asked. Returns the mean of each output element, in the order of the
  // net's outputs; none if the test was stopped or interrupted. Throws Error for bad data, and for
  // the first loss that is not finite.
  std::optional<std::vector<double>> Test(int i, int64_t iteration,
                                          const std::function<bool()>& goes_on);

  // How many tests of each net were begun. It decides which random numbers the next one draws.
  void SetTestsBegun(int64_t tests);

  // For tests that are taken back: Note keeps the numbers of tests, TakeBack sets them again.
  void Note() { noted_ = begun_; }
  void TakeBack() { begun_ = noted_; }

 private:
  bool RunBatches(int i, const std::function<bool()>& goes_on, TestPoint* point);
  bool RunBatch(int i, uint64_t step);
  void CheckLoss(int i, int batch, uint64_t step, int64_t iteration);

  const proto::SolverParameter& solver_;
  NetSet& nets_;
  AveragedWeights& average_;
  NonFiniteGuard& guard_;
  const ProgressReporter& reporter_;
  Interrupt interrupt_;
  std::vector<int64_t> begun_, noted_;  // by test net
};

}  // namespace crema
