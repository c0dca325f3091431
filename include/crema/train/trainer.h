// Trains a net as a solver file says: the loop, the tests in between, and the snapshots.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema/net/net.h"

namespace crema {

namespace proto {
class SolverParameter;
class SolverState;
}  // namespace proto

class UpdateRule;

// What the outside may ask of a running training.
enum class Action { kNone, kStop, kSnapshot };

struct TrainOptions {
  std::shared_ptr<Device> device;  // the CPU where it is null
  DType dtype = DType::kFloat32;
  // A `.solverstate` to go on from; "" to begin anew.
  std::string resume_from;
  // Asked after every iteration and every test batch.
  std::function<Action()> poll;
};

// One thread at a time. Progress goes to the log in Caffe's words.
class Trainer {
 public:
  // `solver` is in the current format (see schema/upgrade.h). Builds all nets, loads the weights
  // that it names, and checks that snapshots could be written. Throws Error for whatever does not
  // fit together.
  Trainer(const proto::SolverParameter& solver, const TrainOptions& options);
  ~Trainer();

  // Trains up to max_iter, with the tests and snapshots on the way, and the last of both at the
  // end. Returns false where it was asked to stop before.
  bool Train();

  // Only the iterations, tests and snapshots of the next `iterations` steps. Returns false where
  // it was asked to stop.
  bool Step(int64_t iterations);

  // Writes PREFIX_iter_N.caffemodel and .solverstate, each whole or not at all. Throws Error where
  // that fails; what was there before is left as it was.
  void Snapshot();

  // Updates done so far.
  int64_t iteration() const { return iteration_; }
  Net& net() { return *net_; }
  int test_nets() const { return static_cast<int>(test_nets_.size()); }
  Net& test_net(int i) { return *test_nets_[i]; }

  // Mean of each output element of test net `i` over its test_iter batches, in the order of the
  // net's outputs; empty where the test was stopped.
  std::vector<double> Test(int i);

 private:
  void CheckOptions() const;
  void BuildTrainNet();
  void BuildTestNets();
  void AddTestNet(proto::NetParameter* config, const std::string& source);
  void LoadWeights();
  void AllocateHistory();
  void Restore(const proto::SolverState& state);
  void RestoreProgress(const proto::SolverState& state);
  void CheckSnapshotFolder() const;
  bool TestAll();
  bool ShouldTest() const;
  int64_t TestsBefore(int64_t iteration) const;
  void RunIteration(bool display);
  void Display(double seconds);
  void ApplyUpdate(bool display);
  void FinalDisplay();
  Tensor LossSlot() const;
  void AddToLossSlot(double weight);
  double SmoothedLoss() const;
  std::vector<double> RecentLosses() const;
  Action Poll() const { return options_.poll ? options_.poll() : Action::kNone; }
  std::string SnapshotName(const std::string& extension) const;
  void SaveState(const std::string& weights_path) const;

  std::unique_ptr<proto::SolverParameter> solver_;
  TrainOptions options_;
  uint64_t seed_ = 0;
  std::unique_ptr<Net> net_;
  std::vector<std::unique_ptr<Net>> test_nets_;
  std::unique_ptr<UpdateRule> rule_;
  std::vector<Tensor> flat_history_;             // one a history of the rule
  std::vector<std::vector<Tensor>> history_;     // views of it, by parameter
  Tensor sum_of_squares_;                        // for gradient clipping
  Tensor loss_window_;                           // the last average_loss losses, a ring
  int64_t losses_ = 0;                           // written to the ring so far
  int64_t iteration_ = 0;
  int64_t last_display_ = 0;
  std::vector<int64_t> tests_done_;              // by test net
  bool stop_ = false;
};

}  // namespace crema
