// Snapshots: writing them, and going on from one.
#include <glog/logging.h>

#include <algorithm>

#include "crema.pb.h"
#include "crema/train/trainer.h"
#include "schema/binary_io.h"
#include "schema/hdf5_weights.h"
#include "schema/weights_io.h"
#include "solvers/learning_rate.h"
#include "solvers/update_rule.h"
#include "train/average_shown.h"
#include "train/carried_state.h"
#include "train/kept_snapshots.h"
#include "train/snapshot_files.h"

namespace crema {

// Both files are on the disk, but have no names yet. Without a commit they vanish.
struct PendingSnapshot {
  SnapshotPaths paths;
  proto::SolverProgress progress;  // what Commit needs of it
  std::unique_ptr<PendingFile> weights, state;
};

bool Trainer::InHdf5() const { return solver_->snapshot_format() == proto::SolverParameter::HDF5; }

// A run that is done already saves nothing, and may look at what it has where nobody can write.
void Trainer::CheckSnapshotFolder(bool may_save) const {
  if (!SavesSnapshots(*solver_) || !may_save) return;
  if (solver_->snapshot_prefix().empty()) {
    Fail(
        "solver: snapshot_prefix is missing; set it, or turn snapshots off with "
        "snapshot_after_train: false and without snapshot");
  }
  RemoveStaleSnapshotFiles(solver_->snapshot_prefix());
  // Only making a file shows it for certain, for a superuser and for network folders too: the one
  // of the longest name, as it will be made then.
  try {
    CheckWritable(PathsOf(solver_->snapshot_prefix(), solver_->max_iter(), InHdf5()).state);
  } catch (const Error& error) {
    Fail("solver: no snapshot can be saved under the snapshot_prefix '", solver_->snapshot_prefix(),
         "': ", error.what(), ", or change snapshot_prefix");
  }
}

void Trainer::Snapshot() { CommitSnapshot(PrepareSnapshot().get()); }

std::shared_ptr<PendingSnapshot> Trainer::PrepareSnapshot() {
  CheckHealth();
  const BeforeTests before(this);  // a resumed run repeats tests that are under way
  CheckWeightsFinite();
  return WriteSnapshot();
}

// An older state of the same name goes first where its weights are about to: a state must never be
// seen with weights that are not its own.
void Trainer::CommitSnapshot(PendingSnapshot* snapshot) {
  if (!IsWeightsOf(snapshot->progress, snapshot->paths.weights)) {
    RemoveFile(snapshot->state->target());
  }
  snapshot->weights->Commit();
  snapshot->state->Commit();
  last_snapshot_ = iteration_;
  kept_->Add({iteration_, InHdf5(), snapshot->progress.weights_checksum(),
              IdentityOf(snapshot->paths.weights)},
             snapshot->progress.has_best_iteration() ? snapshot->progress.best_iteration() : -1);
  kept_->RemoveOld(findings_.best_iteration);
}

// What is wrong with the weights ends the training; that they cannot be written now does not.
void Trainer::TrySnapshot() {
  CheckHealth();
  if (solver_->stop_at_non_finite()) CheckWeightsFinite();
  try {
    Snapshot();
  } catch (const std::exception& error) {  // also that there is no memory for it
    LOG(WARNING) << Concat("The snapshot of iteration ", iteration_,
                           " could not be saved; training continues without it: ", error.what());
  }
}

// After training: `stepped` tells whether this run got any further. A snapshot that was due has
// been tried already, but the last one is worth another try, and an error.
bool Trainer::WantsLastSnapshot(bool stepped) const {
  if (last_snapshot_ == iteration_) return false;
  if (best_net_ >= 0) return true;  // the last test may be the best
  const bool due = solver_->snapshot() > 0 && iteration_ % solver_->snapshot() == 0;
  return due ? stepped : solver_->snapshot_after_train();
}

// Both files are on the disk before the first one gets its name, so that a full disk, or an end in
// the middle, leaves what was there.
std::shared_ptr<PendingSnapshot> Trainer::WriteSnapshot() {
  const auto snapshot = std::make_shared<PendingSnapshot>();
  snapshot->paths = PathsOf(solver_->snapshot_prefix(), iteration_, InHdf5());
  const SnapshotPaths& paths = snapshot->paths;
  const char* format = InHdf5() ? "HDF5" : "binary proto";
  LOG(INFO) << "Snapshotting to " << format << " file " << paths.weights;
  {
    const std::string bytes = WeightsBytes(paths.weights);
    snapshot->progress.set_weights_bytes(bytes.size());
    snapshot->progress.set_weights_checksum(ChecksumOf(bytes.data(), bytes.size()));
    snapshot->weights = std::make_unique<PendingFile>(paths.weights, bytes);
  }
  LOG(INFO) << "Snapshotting solver state to " << format << " file " << paths.state;
  proto::SolverState state = State();
  state.set_learned_net(paths.weights);
  proto::SolverProgress* progress = state.mutable_progress();
  progress->set_weights_bytes(snapshot->progress.weights_bytes());
  progress->set_weights_checksum(snapshot->progress.weights_checksum());
  if (progress->has_best_iteration()) {
    snapshot->progress.set_best_iteration(progress->best_iteration());
  }
  kept_->Save({iteration_, InHdf5(), progress->weights_checksum(), {}}, progress);
  snapshot->state = std::make_unique<PendingFile>(paths.state, StateBytes(paths.state, state));
  return snapshot;
}

std::string Trainer::WeightsBytes(const std::string& path) {
  proto::NetParameter weights;
  {
    const AverageShown shown(this);
    net_->ToProto(&weights, solver_->snapshot_diff());
  }
  return InHdf5() ? Hdf5WeightsBytes(weights, path) : SerializeToBytes(weights, path);
}

// All of it but the weights' part.
proto::SolverState Trainer::State() const {
  proto::SolverState state;
  state.set_iter(static_cast<int>(iteration_));
  // The step that the last update used, as Caffe counts it.
  const int64_t last = std::max<int64_t>(0, iteration_ - 1);
  state.set_current_step(LearningRateSteps(*solver_, last));
  for (int h = 0; h < rule_->history_count(); ++h) {
    for (size_t i = 0; i < history_.size(); ++i) {
      if (history_[i].empty()) continue;  // shares another parameter's memory
      SavedBlob blob;
      blob.shape = history_[i][h].shape().dims();
      blob.data = history_[i][h].ToHost<float>();
      if (options_.dtype == DType::kFloat64) blob.double_data = history_[i][h].ToHost<double>();
      crema::ToProto(blob, false, state.add_history());
    }
  }
  proto::SolverProgress* progress = state.mutable_progress();
  progress->set_random_seed(seed_);
  for (double loss : RecentLosses()) progress->add_recent_losses(loss);
  for (const auto& [layer, position] : net_->DataPositions()) {
    progress->add_data_layer(layer);
    progress->add_data_position(position);
  }
  SaveUpdateState(&state);
  SaveCarried(*net_, "", progress);
  for (int i = 0; i < test_nets(); ++i) {
    SaveCarried(*test_nets_[i], Concat(test_numbers_[i], "/"), progress);
  }
  return state;
}

// Of the iterations before this one, those that are test_offset plus a multiple of the interval.
int64_t Trainer::TestsBefore(int64_t iteration) const {
  const int64_t interval = solver_->test_interval();
  if (interval <= 0 || iteration == 0) return 0;
  const int64_t first = (solver_->test_offset() % interval + interval) % interval;
  const int64_t tests = iteration > first ? (iteration - 1 - first) / interval + 1 : 0;
  return tests - (first == 0 && !solver_->test_initialization() ? 1 : 0);
}

void Trainer::Restore(const proto::SolverState& state) {
  const std::string& path = options_.resume_from;
  const std::string weights = FindWeights(state, path);
  LOG(INFO) << "Resuming from " << path << ", weights from " << weights;
  const WeightsReport report = net_->LoadWeights(weights);
  if (!report.left_out.empty()) {
    Fail(weights, ": has no weights for layer ", report.left_out[0],
         ", so training cannot be resumed exactly; to start from these weights, use --weights");
  }
  iteration_ = state.iter();
  std::vector<Tensor> histories;
  for (int h = 0; h < rule_->history_count(); ++h) {
    for (const auto& history : history_) {
      if (!history.empty()) histories.push_back(history[h]);
    }
  }
  if (static_cast<int>(histories.size()) != state.history_size()) {
    Fail(path, ": has ", state.history_size(), " history blobs, but this net and solver have ",
         histories.size(), "; resume with the same net and solver type",
         state.has_progress() ? "" : ", or check that the file was copied completely");
  }
  for (size_t i = 0; i < histories.size(); ++i) {
    const SavedBlob blob = FromProto(state.history(static_cast<int>(i)), path);
    if (static_cast<int64_t>(blob.data.size()) != histories[i].count()) {
      Fail(path, ": history blob ", i, " has ", blob.data.size(), " values, but the parameter has ",
           histories[i].count(), "; resume with the same net");
    }
    if (!blob.double_data.empty()) {
      histories[i].FromHost(blob.double_data);
    } else {
      histories[i].FromHost(blob.data);
    }
  }
  RestoreUpdateState(state);
  RestoreProgress(state);
  RestoreGradients(weights);
  RestoreBookkeeping(state.progress());
}

// A snapshot of this iteration has the gradients of the one before.
void Trainer::RestoreGradients(const std::string& weights) {
  if (!solver_->snapshot_diff()) return;
  const std::vector<SavedLayer> layers =
      IsHdf5File(weights) ? ReadHdf5Weights(weights, true) : ReadWeightsFile(weights);
  for (const LayerNode& node : net_->graph().layers) {
    const auto saved = std::find_if(layers.begin(), layers.end(), [&](const SavedLayer& layer) {
      return layer.name == node.layer->name() && layer.blobs.size() == node.params.size();
    });
    for (size_t i = 0; i < node.params.size() && saved != layers.end(); ++i) {
      const Blob& param = net_->param(node.params[i]);
      const SavedBlob& blob = saved->blobs[i];
      if (!param.has_diff() || static_cast<int64_t>(blob.diff.size()) != param.count()) continue;
      if (blob.double_diff.empty()) {
        param.diff_tensor().FromHost(blob.diff);
      } else {
        param.diff_tensor().FromHost(blob.double_diff);
      }
    }
  }
}

void Trainer::RestoreProgress(const proto::SolverState& state) {
  const proto::SolverProgress& progress = state.progress();
  if (progress.data_layer_size() != progress.data_position_size()) {
    Fail(options_.resume_from, ": is damaged: ", progress.data_layer_size(), " data layers, but ",
         progress.data_position_size(), " positions");
  }
  std::vector<std::pair<std::string, uint64_t>> positions;
  for (int i = 0; i < progress.data_layer_size(); ++i) {
    positions.emplace_back(progress.data_layer(i), progress.data_position(i));
  }
  net_->SeekData(positions);
  if (!state.has_progress()) {
    LOG(WARNING) << options_.resume_from << " does not record the position in the data (Caffe "
                 << "does not store it), so the data starts from the beginning";
  }
  for (size_t i = 0; i < test_nets_.size() && state.has_progress(); ++i) {
    tests_done_[i] = TestsBefore(iteration_);
    const int batches = solver_->test_iter(test_numbers_[i]);
    test_nets_[i]->SeekPasses(static_cast<uint64_t>(tests_done_[i]) * batches);
  }
  int next = 0;
  RestoreCarried(progress, "", options_.resume_from, *net_, &next);
  for (int i = 0; i < test_nets(); ++i) {
    RestoreCarried(progress, Concat(test_numbers_[i], "/"), options_.resume_from, *test_nets_[i],
                   &next);
  }
  const int saved = progress.recent_losses_size();
  losses_ = std::min(solver_->average_loss(), saved);
  std::vector<double> ring(progress.recent_losses().end() - losses_,
                           progress.recent_losses().end());
  ring.resize(static_cast<size_t>(std::max(loss_window_.count(), losses_ + 1)));
  loss_window_ = Tensor(options_.device, options_.dtype, Shape{static_cast<int64_t>(ring.size())});
  loss_window_.FromHost(ring);
}

}  // namespace crema
