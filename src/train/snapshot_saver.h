// Where snapshots are written: when, in which order, and which of them stay.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "train/kept_snapshots.h"
#include "train/rollback.h"
#include "train/training_parts.h"

namespace crema {

// A snapshot whose files are both on the disk, but have no names yet. Without a commit they vanish.
struct PendingSnapshot;

class SnapshotSaver {
 public:
  // Throws Error if snapshots are due and no file can be made under the solver's prefix. Removes
  // what killed runs have left there.
  static void CheckFolder(const proto::SolverParameter& solver);

  // Both live longer.
  SnapshotSaver(TrainingParts* parts, Rollback* rollback);

  // After the parts were restored from the state file `path`: which snapshots there are.
  void Restore(const proto::SolverProgress& progress, const std::string& path);

  // Writes PREFIX_iter_N.caffemodel and .solverstate of this iteration, both whole or neither.
  // Throws Error if that fails, or if a weight, loss or gradient is not finite; what was there
  // before is left as it was.
  void Save();
  // The same for a training that goes on: that the files cannot be written is a warning.
  void TrySave();

  // Save in two halves. Prepare writes the files, Commit gives them their names.
  std::shared_ptr<PendingSnapshot> Prepare();
  void Commit(PendingSnapshot* snapshot);

  // Whether that of this iteration is there.
  bool IsSaved() const { return last_ == parts_.iteration; }
  // Whether the solver wants one of this iteration on the way.
  bool IsDue() const;
  // Whether one is to be written after training. `stepped`: whether this run got any further.
  bool IsDueAtEnd(bool stepped) const;

  // After a test of test net `test_net` with these results: if they are the best so far, sees that
  // the snapshot of this iteration is there, and keeps it (snapshot_best).
  void NoteTest(int test_net, const std::vector<double>& results);

 private:
  bool InHdf5() const;
  std::string WeightsBytes(const std::string& path) const;
  void WriteWeights(PendingSnapshot* snapshot) const;
  void WriteState(PendingSnapshot* snapshot) const;
  void CheckWeights() const;

  TrainingParts& parts_;
  const proto::SolverParameter& solver_;
  Rollback& rollback_;
  KeptSnapshots kept_;
  int64_t last_ = -1;  // the iteration of the last one that is there
};

}  // namespace crema
