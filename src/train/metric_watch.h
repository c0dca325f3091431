// What the results of tests decide: the learning rate of the policy "plateau" (plateau_metric), and
// which snapshot is the best one (snapshot_best).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crema/net.h"

namespace crema {

namespace proto {
class SolverParameter;
class SolverProgress;
}  // namespace proto

// An output blob of a test net, in the results of its tests.
struct TestOutput {
  std::string blob;
  float loss_weight = 0;  // 0: no loss
  int64_t values = 1;     // how many numbers a test gives for it
};

// The outputs of a test net, in its order. With eval_type "detection" each has one value, its mean
// average precision.
std::vector<TestOutput> TestOutputsOf(const Net& net, const proto::SolverParameter& solver);

class MetricWatch {
 public:
  // `outputs`: by test net. Throws Error if the solver names an output that is not there, or words
  // that it does not know.
  MetricWatch(const proto::SolverParameter& solver,
              const std::vector<std::vector<TestOutput>>& outputs);

  // The results of a finished test of a test net, all values of all outputs.
  void NoteTest(int test_net, const std::vector<double>& values);

  // Whether plateau_metric is an output of a test net; otherwise the policy watches the loss.
  bool plateau_follows_tests() const { return plateau_.test_net >= 0; }
  // Whether less of what the policy watches is better.
  bool plateau_less_is_better() const { return plateau_.less_is_better; }
  // That output at the last test; none: no test so far.
  std::optional<double> plateau_value() const { return now_.plateau_value; }

  // Whether snapshot_best is set.
  bool watches_best() const { return best_.test_net >= 0; }
  // The watched value in the results of a test, if it is better than the best so far.
  std::optional<double> BetterValue(int test_net, const std::vector<double>& values) const;
  // From now on this is the best: the value, and the iteration of the snapshot that has it.
  void SetBest(double value, int64_t iteration);
  // -1: none.
  int64_t best_iteration() const { return now_.best_iteration; }

  // For tests that are repeated or given up. Note: keeps a copy of what was found so far. Exchange:
  // puts that in the place of what is known now, or back. TakeBack: nothing was found since.
  void Note() { noted_ = now_; }
  void Exchange();
  void TakeBack() { now_ = noted_; }

  // To and from a state.
  void Save(proto::SolverProgress* progress) const;
  void Restore(const proto::SolverProgress& progress);

 private:
  // One number in the results of a test.
  struct Element {
    int test_net = -1;  // -1: none
    int index = -1;     // among all values of all outputs
    bool less_is_better = true;
  };
  struct Findings {
    std::optional<double> plateau_value, best_value;
    int64_t best_iteration = -1;
  };
  using Outputs = std::vector<std::vector<TestOutput>>;  // by test net
  static Element FindPlateauMetric(const proto::SolverParameter& solver, const Outputs& outputs);
  static Element FindBest(const proto::SolverParameter& solver, const Outputs& outputs);

  Element plateau_, best_;
  Findings now_, noted_;
};

}  // namespace crema
