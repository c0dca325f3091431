// Trains a net as a solver file says: the loop, the tests in between, and the snapshots.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crema/net/net.h"
#include "crema/train/observer.h"

namespace crema {

namespace proto {
class NetParameter;
class SolverParameter;
class SolverProgress;
class SolverState;
}  // namespace proto

class KeptSnapshots;
class LocalRates;
class PassState;
class ParamTable;
class Plateau;
class UpdateRule;
struct PendingSnapshot;
struct UpdateStep;

// What the outside may ask of a running training.
enum class Action { kNone, kStop, kSnapshot };

struct TrainOptions {
  std::shared_ptr<Device> device;  // the CPU where it is null
  DType dtype = DType::kFloat32;
  bool fuse = true;  // see CompileOptions
  // The engine of every layer that has it ("CAFFE", "ONEDNN"), whatever the nets name; "": theirs.
  std::string engine;
  int threads = 0;  // on the CPU; 0: see CompileOptions
  // A `.solverstate` to go on from; "" to begin anew.
  std::string resume_from;
  // What the device has room for, in bytes; 0: what it says itself.
  size_t room = 0;
  bool verbose = false;  // whether the log tells everything about each layer
  // Asked after every iteration and before every test batch. It may give the same answer again and
  // again: a snapshot that is there already is not written once more.
  std::function<Action()> poll;
  // Asked before every layer, so it should be quick. Once it says true, the iteration or the test
  // under way is taken back, as if it had not begun, and training stops as for kStop. (Iterations
  // and tests of a net that writes HDF5Output cannot be taken back: they are finished.)
  std::function<bool()> interrupt;
};

// One thread at a time. Progress goes to the log in Caffe's words, and to the observers.
class Trainer {
 public:
  // `solver` is in the current format (see schema/upgrade.h). Builds all nets, loads the weights
  // that it names, and checks that snapshots could be written. Throws Error for whatever does not
  // fit together.
  Trainer(const proto::SolverParameter& solver, const TrainOptions& options);
  ~Trainer();

  // Trains up to max_iter, with the tests and snapshots on the way, and the last of both at the
  // end. A run that is resumed where it ended looks and tests once more, but writes nothing.
  // Returns false if it was asked to stop before. A snapshot on the way that cannot be written is a
  // warning; that the last one cannot is an Error. Throws Error at the first loss (a test's, too)
  // or gradient that is not finite (unless stop_at_non_finite is false), and for bad labels: on the
  // CPU in the iteration itself, on a GPU at the next display, test or snapshot, or at the end.
  bool Train();

  // Only the iterations, tests and snapshots of the next `iterations` steps. Returns false where
  // it was asked to stop.
  bool Step(int64_t iterations);

  // The second half of an iteration, for those who measure: updates the weights by the gradients
  // that the net holds, at the rate of this iteration.
  void ApplyUpdate();

  // Writes PREFIX_iter_N.caffemodel and .solverstate, both whole or neither. What is in them
  // depends on the iteration alone, not on when or how often this is called: tests of this
  // iteration, for example, have not been made yet. (A program that changes the net by itself
  // should do so before it tests.) Throws Error where that fails, or where a weight is not finite;
  // what was there before is left as it was.
  void Snapshot();

  // Tells `observer` of all that follows; the log comes first.
  void AddObserver(std::shared_ptr<TrainObserver> observer) {
    observers_.push_back(std::move(observer));
  }

  // Updates done so far.
  int64_t iteration() const { return iteration_; }
  Net& net() { return *net_; }
  int test_nets() const { return static_cast<int>(test_nets_.size()); }
  Net& test_net(int i) { return *test_nets_[i]; }

  // Mean of each output element of test net `i` over its test_iter batches, in the order of the
  // net's outputs; with eval_type "detection" the mean average precision of each output blob. With
  // ema_decay the net runs with the averaged weights. Empty where the test was stopped.
  std::vector<double> Test(int i);

 private:
  void CheckOptions() const;
  void ReadTrainNet();
  void ReadTestNets();
  void ReadTestNet(int number);
  void CheckRoom();
  void BuildTrainNet();
  void BuildTestNets();
  void LoadWeights();
  void AllocateHistory();
  void MakeParamTable();
  void MakeSchedule();
  void MakeAverage();
  void FindPlateauMetric();
  void Restore(const proto::SolverState& state);
  void RestoreProgress(const proto::SolverState& state);
  void CheckSnapshotFolder(bool may_save) const;
  bool TestAll();
  bool IsTestIteration() const;
  bool ShouldTest() const;
  bool RunTest(int i, TestPoint* point);
  void CheckTestLoss(int i, int batch, uint64_t step);
  int64_t TestsBefore(int64_t iteration) const;
  bool RunIteration(bool display);
  void RunPasses(bool display);
  void PrepareTakingBack();
  void Forward(Net* net, uint64_t step) const;
  void Backward() const;
  bool RunOrTakeBack(const std::function<void()>& passes);
  // While one lives, all is as it was before the tests of this iteration.
  class BeforeTests {
   public:
    explicit BeforeTests(Trainer* trainer);
    ~BeforeTests();
    BeforeTests(const BeforeTests&) = delete;
    BeforeTests& operator=(const BeforeTests&) = delete;

   private:
    Trainer& trainer_;
    bool tested_, shown_;
  };
  void RunTests(const std::function<void()>& tests);
  void BeginTests();
  void EndTests();
  void TakeTestsBack();
  std::vector<double> OneTest(int i);
  void Display(double seconds);
  std::optional<double> WaitedShare(double seconds);
  void ShowParameters();
  double NextRate();
  void FindRate();
  void ObservePlateau();
  UpdateStep NextStep() const;
  void UpdateAverage();
  class AverageShown;
  void ShowAverage(bool show);
  void SaveUpdateState(proto::SolverState* state) const;
  void RestoreUpdateState(const proto::SolverState& state);
  bool HasLastPass() const;
  std::optional<TrainPoint> LookAtTrainedNet(PendingSnapshot* snapshot);
  bool RunLastPass(PendingSnapshot* snapshot);
  TrainPoint LastPoint();
  void MakeRoomForLoss();
  Tensor LossSlot() const;
  void AddToLossSlot(double weight);
  double SmoothedLoss() const;
  std::vector<double> RecentLosses() const;
  Action Poll() const { return options_.poll ? options_.poll() : Action::kNone; }
  bool InHdf5() const;  // snapshots
  void TrySnapshot();
  bool WantsLastSnapshot(bool stepped) const;
  void FindBestOutput();
  void NoteBest(int test_net, const std::vector<double>& means);
  void RestoreBookkeeping(const proto::SolverProgress& progress);
  void RestoreGradients(const std::string& weights);
  std::shared_ptr<PendingSnapshot> PrepareSnapshot();
  void CommitSnapshot(PendingSnapshot* snapshot);
  std::shared_ptr<PendingSnapshot> WriteSnapshot();
  void NoteNonFinite();
  void CheckHealth();
  void CheckFinite();
  void CheckWeightsFinite() const;
  struct Passes;
  std::string FirstBadBlob(const Passes& passes) const;
  std::string FirstBadBlobOfTraining() const;
  std::string FirstBadGradient() const;
  std::string WeightsBytes(const std::string& path);
  proto::SolverState State() const;

  std::unique_ptr<proto::SolverParameter> solver_;
  TrainOptions options_;
  uint64_t seed_ = 0;
  std::unique_ptr<Net> net_;
  std::vector<std::unique_ptr<Net>> test_nets_;
  std::unique_ptr<UpdateRule> rule_;
  std::unique_ptr<ParamTable> table_;
  std::unique_ptr<LocalRates> local_rates_;  // null: none
  std::unique_ptr<Plateau> plateau_;         // null: another policy
  // Where plateau_metric is: the test net, and the element of its results; -1: the training loss.
  int plateau_net_ = -1, plateau_element_ = -1;
  bool plateau_takes_least_ = true;
  // With ema_decay: the average, or while the nets show that, the trained weights.
  Tensor average_;
  bool shows_average_ = false;
  std::vector<Tensor> flat_history_;          // one a history of the rule
  std::vector<std::vector<Tensor>> history_;  // views of it, by parameter
  Tensor gradient_factor_;                    // see UpdateStep
  Tensor loss_window_;                        // the last losses, a ring
  int64_t losses_ = 0;                        // written to the ring so far
  int64_t iteration_ = 0;
  double rate_ = 0;                                        // of the update to come, or the last one
  int64_t rate_of_ = -1;                                   // the iteration that has this rate
  std::vector<std::shared_ptr<TrainObserver>> observers_;  // the log first
  int64_t last_display_ = 0;
  double waited_before_ = 0;         // for data, at the last display
  std::vector<int64_t> tests_done_;  // by test net
  // Where snapshot_best is: the test net, and the element of its outputs; none: -1.
  int best_net_ = -1, best_element_ = -1;
  bool best_is_lowest_ = false;
  // What the tests have found so far.
  struct Findings {
    std::optional<double> plateau_value;  // at the last test
    std::optional<double> best_value;
    int64_t best_iteration = -1;
  };
  Findings findings_, findings_before_;  // also as they were before the tests of this iteration
  std::unique_ptr<KeptSnapshots> kept_;
  int64_t last_snapshot_ = -1;  // the iteration of the last one that is there
  Tensor non_finite_;           // the first iteration with such a loss or gradient, or -1
  bool told_of_non_finite_ = false, told_of_test_ = false;
  uint64_t last_step_ = 0, last_passes_ = 0;  // of the training net's last passes
  std::unique_ptr<proto::NetParameter> train_config_;
  size_t train_net_limit_ = 0;  // see CompileOptions::memory_limit
  std::vector<std::unique_ptr<proto::NetParameter>> test_configs_;
  std::vector<std::string> test_sources_;  // where they come from, in words
  // By test net: its number in the solver. Those without batches (test_iter: 0) are left out.
  std::vector<int> test_numbers_;
  bool stop_ = false;
  std::unique_ptr<PassState> before_iteration_;           // null: iterations are always finished
  std::vector<std::unique_ptr<PassState>> before_tests_;  // of the training net, then the others
  std::vector<int64_t> tests_done_before_;
  bool in_tests_ = false;
  int64_t tested_ = -1;  // the iteration of the last tests that were finished
};

}  // namespace crema
