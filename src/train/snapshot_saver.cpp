#include "train/snapshot_saver.h"

#include <glog/logging.h>

#include <filesystem>

#include "crema.pb.h"
#include "crema/error.h"
#include "schema/binary_io.h"
#include "schema/hdf5_weights.h"
#include "solvers/solver_error.h"
#include "train/report.h"
#include "train/snapshot_files.h"
#include "train/training_state.h"

namespace crema {

struct PendingSnapshot {
  SnapshotPaths paths;
  proto::SolverProgress progress;  // what Commit needs of it
  std::unique_ptr<PendingFile> weights, state;
};

void SnapshotSaver::CheckFolder(const proto::SolverParameter& solver) {
  if (!SavesSnapshots(solver)) return;
  const std::string& prefix = solver.snapshot_prefix();
  if (prefix.empty()) {
    FailInSolver(
        "snapshot_prefix is missing; set it, or turn snapshots off with "
        "snapshot_after_train: false and without snapshot");
  }
  RemoveStaleSnapshotFiles(prefix);
  // Only making a file shows it for certain, for a superuser and for network folders too: the one
  // of the longest name, as it will be made then.
  try {
    const bool hdf5 = solver.snapshot_format() == proto::SolverParameter::HDF5;
    CheckWritable(PathsOf(prefix, solver.max_iter(), hdf5).state);
  } catch (const Error& error) {
    FailInSolver("no snapshot can be saved under the snapshot_prefix '", prefix, "': ", error,
                 ", or change snapshot_prefix");
  }
}

SnapshotSaver::SnapshotSaver(TrainingParts* parts, Rollback* rollback)
    : parts_(*parts),
      solver_(*parts->solver),
      rollback_(*rollback),
      kept_(solver_.snapshot_prefix(), solver_.snapshot_keep()) {}

void SnapshotSaver::Restore(const proto::SolverProgress& progress, const std::string& path) {
  kept_.Restore(progress, path);
  kept_.RemoveOld(parts_.metrics->best_iteration());  // the run may have ended in the middle of it
  const std::string own = PathsOf(solver_.snapshot_prefix(), parts_.iteration, InHdf5()).state;
  std::error_code failed;
  const bool is_there = std::filesystem::equivalent(path, own, failed);
  // A run that was done already has nothing to save under another name either.
  if (is_there || parts_.iteration >= solver_.max_iter()) last_ = parts_.iteration;
}

bool SnapshotSaver::InHdf5() const {
  return solver_.snapshot_format() == proto::SolverParameter::HDF5;
}

bool SnapshotSaver::IsDue() const {
  return solver_.snapshot() > 0 && parts_.iteration % solver_.snapshot() == 0;
}

// One that was due has been tried already, but the last one is worth another try, and an error.
bool SnapshotSaver::IsDueAtEnd(bool stepped) const {
  if (IsSaved()) return false;
  if (parts_.metrics->watches_best()) return true;  // the last test may be the best
  return IsDue() ? stepped : solver_.snapshot_after_train();
}

void SnapshotSaver::Save() { Commit(Prepare().get()); }

// What is wrong with the weights ends the training; that they cannot be written now does not.
void SnapshotSaver::TrySave() {
  parts_.passes->CheckHealth();
  if (solver_.stop_at_non_finite()) CheckWeights();
  try {
    Save();
  } catch (const std::exception& error) {  // also that there is no memory for it
    LOG(WARNING) << Concat("The snapshot of iteration ", parts_.iteration,
                           " could not be saved; training continues without it: ", error.what());
  }
}

// Both files are on the disk before the first one gets its name, so that a full disk, or an end in
// the middle, leaves what was there.
std::shared_ptr<PendingSnapshot> SnapshotSaver::Prepare() {
  parts_.passes->CheckHealth();
  // A resumed run repeats tests that are under way.
  const Rollback::BeforeTests before(&rollback_, parts_.iteration);
  CheckWeights();
  const auto snapshot = std::make_shared<PendingSnapshot>();
  snapshot->paths = PathsOf(solver_.snapshot_prefix(), parts_.iteration, InHdf5());
  WriteWeights(snapshot.get());
  WriteState(snapshot.get());
  return snapshot;
}

void SnapshotSaver::CheckWeights() const {
  CheckWeightsFinite(&parts_.nets->train(), parts_.average->average(), parts_.iteration);
}

void SnapshotSaver::WriteWeights(PendingSnapshot* snapshot) const {
  const std::string& path = snapshot->paths.weights;
  LOG(INFO) << "Snapshotting to " << (InHdf5() ? "HDF5" : "binary proto") << " file " << path;
  const std::string bytes = WeightsBytes(path);
  snapshot->progress.set_weights_bytes(bytes.size());
  snapshot->progress.set_weights_checksum(ChecksumOf(bytes.data(), bytes.size()));
  snapshot->weights = std::make_unique<PendingFile>(path, bytes);
}

std::string SnapshotSaver::WeightsBytes(const std::string& path) const {
  proto::NetParameter weights;
  {
    const AveragedWeights::InUse averaged(parts_.average.get());
    parts_.nets->train().ToProto(&weights, solver_.snapshot_diff());
  }
  return InHdf5() ? Hdf5WeightsBytes(weights, path) : SerializeToBytes(weights, path);
}

void SnapshotSaver::WriteState(PendingSnapshot* snapshot) const {
  const std::string& path = snapshot->paths.state;
  LOG(INFO) << "Snapshotting solver state to " << (InHdf5() ? "HDF5" : "binary proto") << " file "
            << path;
  proto::SolverState state = StateOf(parts_);
  state.set_learned_net(snapshot->paths.weights);
  proto::SolverProgress* progress = state.mutable_progress();
  progress->set_weights_bytes(snapshot->progress.weights_bytes());
  progress->set_weights_checksum(snapshot->progress.weights_checksum());
  if (progress->has_best_iteration()) {
    snapshot->progress.set_best_iteration(progress->best_iteration());
  }
  kept_.Save({parts_.iteration, InHdf5(), progress->weights_checksum(), {}}, progress);
  snapshot->state = std::make_unique<PendingFile>(path, StateBytes(path, state));
}

// An older state of the same name goes first if its weights are about to: a state must never be
// seen with weights that are not its own.
void SnapshotSaver::Commit(PendingSnapshot* snapshot) {
  if (!IsWeightsOf(snapshot->progress, snapshot->paths.weights)) {
    RemoveFile(snapshot->state->target());
  }
  snapshot->weights->Commit();
  snapshot->state->Commit();
  last_ = parts_.iteration;
  kept_.Add({parts_.iteration, InHdf5(), snapshot->progress.weights_checksum(),
             IdentityOf(snapshot->paths.weights)},
            snapshot->progress.has_best_iteration() ? snapshot->progress.best_iteration() : -1);
  kept_.RemoveOld(parts_.metrics->best_iteration());
}

// The untrained net of iteration 0 is no candidate.
void SnapshotSaver::NoteTest(int test_net, const std::vector<double>& results) {
  if (parts_.iteration == 0) return;
  const std::optional<double> better = parts_.metrics->BetterValue(test_net, results);
  if (!better.has_value()) return;
  // One that could not be saved is not to cost the one before.
  if (!IsSaved()) TrySave();
  if (!IsSaved()) return;
  parts_.metrics->SetBest(*better, parts_.iteration);
  LOG(INFO) << Concat("Best ", solver_.snapshot_best(), " so far: ", FormatNumber(*better),
                      "; the snapshot of iteration ", parts_.iteration, " is kept");
  kept_.RemoveOld(parts_.metrics->best_iteration());
}

}  // namespace crema
