// Trains a net as a solver file says: the loop, the tests in between, and the snapshots.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crema/gradient_combiner.h"
#include "crema/net.h"
#include "crema/train_observer.h"

namespace crema {

namespace proto {
class SolverParameter;
}

class Rollback;
class SnapshotSaver;
struct TrainingParts;

// What the outside may ask of a running training.
enum class Action { kNone, kStop, kSnapshot };

// What a training is told besides its solver.
struct TrainOptions {
  std::shared_ptr<Device> device;  // the CPU if it is null
  DType dtype = DType::kFloat32;
  bool fuse = true;  // see CompileOptions
  // The engine of every layer that has it ("CAFFE", "ONEDNN"), whatever the nets name; "": theirs.
  std::string engine;
  int threads = 0;  // on the CPU; 0: see CompileOptions
  // A `.solverstate` to go on from; "" to begin anew.
  std::string resume_from;
  // The memory of the device, in bytes, which the training must fit into; 0: what the device says.
  size_t device_memory = 0;
  bool verbose = false;  // whether the log tells everything about each layer
  // Asked after every iteration and before every test batch. It may give the same answer again and
  // again: a snapshot that is there already is not written once more.
  std::function<Action()> poll;
  // Asked before every layer, so it should be quick. Once it says true, the iteration or the test
  // under way is taken back, as if it had not begun, and training stops as for kStop. (Iterations
  // and tests of a net that writes HDF5Output cannot be taken back: they are finished.)
  std::function<bool()> interrupt;
  // For a training by several ranks, which one this is, and what combines their gradients. Tests
  // are made by each rank alone, with all of their data. An iteration is finished even if
  // `interrupt` says true; what `poll` and `interrupt` say must be the same on all ranks, or those
  // that go on wait for the others. Only one of them should have a solver that saves snapshots; all
  // can resume from them.
  Rank rank;
  std::shared_ptr<GradientCombiner> combiner;  // null for a training of its own
};

// One thread at a time. Progress goes to the log in Caffe's words, and to the observers.
class Trainer {
 public:
  // `solver` is in the current format (see schema/upgrade.h). Builds all nets, loads the weights
  // that it names, and checks that snapshots could be written. Throws Error for whatever does not
  // fit together.
  Trainer(const proto::SolverParameter& solver, const TrainOptions& options);
  // Saves no snapshot: what was learned since the last one is lost. Observers that nobody else
  // holds end, too.
  ~Trainer();

  // Trains up to max_iter, with the tests and snapshots on the way, and the last of both at the
  // end. A run that is resumed where it ended looks and tests once more, but writes nothing.
  // Returns false if it was asked to stop before. A snapshot on the way that cannot be written is a
  // warning; that the last one cannot is an Error. Throws Error at the first loss (a test's, too)
  // or gradient that is not finite (unless stop_at_non_finite is false), and for bad labels: on the
  // CPU in the iteration itself, on a GPU at the next display, test or snapshot, or at the end.
  bool Train();

  // Only the iterations, tests and snapshots of the next `iterations` steps. Returns false if it
  // was asked to stop. Throws as Train does.
  bool Step(int64_t iterations);

  // The second half of an iteration, for those who measure: updates the weights by the gradients
  // that the net holds, at the rate of this iteration.
  void ApplyUpdate();

  // Writes PREFIX_iter_N.caffemodel and .solverstate, both whole or neither. What is in them
  // depends on the iteration alone, not on when or how often this is called: tests of this
  // iteration, for example, have not been made yet. (A program that changes the net by itself
  // should do so before it tests.) Throws Error if that fails, or if a weight is not finite; what
  // was there before is left as it was.
  void Snapshot();

  // Tells `observer` of all that follows; the log comes first. It is called on the thread that
  // trains.
  void AddObserver(std::shared_ptr<TrainObserver> observer);

  // Updates done so far.
  int64_t iteration() const;
  // The net that learns. It lives as long as the trainer.
  Net& net();
  // How many test nets there are; those with test_iter 0 are left out.
  int test_nets() const;
  // One of them, counted from 0. They share the parameters of net(), and live as long as the
  // trainer.
  Net& test_net(int i);

  // Mean of each output element of test net `i` over its test_iter batches, in the order of the
  // net's outputs; with eval_type "detection" the mean average precision of each output blob. With
  // ema_decay the net runs with the averaged weights. Empty if the test was stopped. Throws Error
  // if there is no such net, for bad data, and for a loss that is not finite.
  std::vector<double> Test(int i);

 private:
  bool RunIteration();                 // up to the gradients; false if it was interrupted
  void ActOnRequests();                // between iterations
  void SaveAndLook(bool stepped);      // after the last one; `stepped`: this run got further
  bool TestAll();                      // false if it was stopped on the way
  std::vector<double> RunTest(int i);  // empty if it was stopped on the way
  bool GoesOnTesting();                // before each batch of a test
  Action Poll() const;                 // what the outside asks now; kNone if nobody may ask

  std::unique_ptr<TrainingParts> parts_;
  std::unique_ptr<Rollback> rollback_;
  std::unique_ptr<SnapshotSaver> snapshots_;
  bool stop_ = false;
};

}  // namespace crema
