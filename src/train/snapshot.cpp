// Snapshots: writing them, and going on from one.
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "crema.pb.h"
#include "crema/train/trainer.h"
#include "schema/binary_io.h"
#include "schema/weights_io.h"
#include "solvers/learning_rate.h"
#include "solvers/update_rule.h"
#include "train/state_io.h"

namespace crema {
namespace {

bool FileExists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

// The weights file of a state, as it is named there or, where that is gone, beside the state.
std::string FindWeights(const std::string& learned_net, const std::string& state_path) {
  if (FileExists(learned_net)) return learned_net;
  const std::string name = learned_net.substr(learned_net.rfind('/') + 1);
  const std::string beside = FolderOf(state_path) + name;
  if (FileExists(beside)) return beside;
  Fail(state_path, ": its weights file ", learned_net, " is missing, also as ", beside,
       "; put it beside the state");
}

}  // namespace

void ReadSolverState(const std::string& path, proto::SolverState* state) {
  if (EndsWith(path, ".caffemodel")) {
    Fail(path, ": is a weights file, but resuming needs a .solverstate; to start from weights "
         "alone use --weights=", path);
  }
  if (IsHdf5File(path)) Fail(path, ": HDF5 solver states are not supported yet");
  ReadBinaryFile(path, "a solver state", state);
  if (!state->has_iter() || state->learned_net().empty() || state->iter() < 0) {
    Fail(path, ": is not a solver state, or is damaged: it names no iteration or no weights file");
  }
}

std::string Trainer::SnapshotName(const std::string& extension) const {
  return Concat(solver_->snapshot_prefix(), "_iter_", iteration_, extension);
}

void Trainer::CheckSnapshotFolder() const {
  if (solver_->snapshot() == 0 && !solver_->snapshot_after_train()) return;
  if (solver_->snapshot_prefix().empty()) {
    Fail("solver: snapshots are to be written, but snapshot_prefix is missing; set it, or set "
         "snapshot_after_train: false and no snapshot");
  }
  // Only making a file shows it for certain, for a superuser and for network folders too.
  const std::string probe = Concat(SnapshotName(".tmp."), getpid());
  const int fd = open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const std::string reason = std::strerror(errno);
    Fail("solver: snapshots cannot be written to the folder ", FolderOf(solver_->snapshot_prefix()),
         " (snapshot_prefix: '", solver_->snapshot_prefix(), "'): ", reason,
         "; make the folder, or change snapshot_prefix");
  }
  close(fd);
  unlink(probe.c_str());
}

void Trainer::Snapshot() {
  const std::string weights_path = SnapshotName(".caffemodel");
  LOG(INFO) << "Snapshotting to binary proto file " << weights_path;
  proto::NetParameter weights;
  net_->ToProto(&weights, solver_->snapshot_diff());
  WriteFileAtomically(weights_path, SerializeToBytes(weights, weights_path));
  SaveState(weights_path);
}

void Trainer::SaveState(const std::string& weights_path) const {
  const std::string path = SnapshotName(".solverstate");
  LOG(INFO) << "Snapshotting solver state to binary proto file " << path;
  proto::SolverState state;
  state.set_iter(static_cast<int>(iteration_));
  state.set_learned_net(weights_path);
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
  WriteFileAtomically(path, SerializeToBytes(state, path));
}

int64_t Trainer::TestsBefore(int64_t iteration) const {
  if (solver_->test_interval() == 0 || iteration == 0) return 0;
  const int64_t with_first = (iteration - 1) / solver_->test_interval() + 1;
  return with_first - (solver_->test_initialization() ? 0 : 1);
}

void Trainer::Restore(const proto::SolverState& state) {
  const std::string& path = options_.resume_from;
  const std::string weights = FindWeights(state.learned_net(), path);
  LOG(INFO) << "Resuming from " << path << ", weights from " << weights;
  const WeightsReport report = net_->LoadWeights(weights);
  if (!report.left_out.empty()) {
    Fail(weights, ": lacks the layer ", report.left_out[0], " of the net, so training cannot be "
         "resumed exactly; to start from these weights use --weights");
  }
  iteration_ = state.iter();
  std::vector<Tensor> histories;
  for (int h = 0; h < rule_->history_count(); ++h) {
    for (const auto& history : history_) {
      if (!history.empty()) histories.push_back(history[h]);
    }
  }
  if (static_cast<int>(histories.size()) != state.history_size()) {
    Fail(path, ": holds ", state.history_size(), " history blobs, but this net and solver have ",
         histories.size(), "; resume with the net and the solver type that wrote it");
  }
  for (size_t i = 0; i < histories.size(); ++i) {
    const SavedBlob blob = FromProto(state.history(static_cast<int>(i)), path);
    if (static_cast<int64_t>(blob.data.size()) != histories[i].count()) {
      Fail(path, ": history blob ", i, " has ", blob.data.size(), " values, but the parameter has ",
           histories[i].count(), "; resume with the net that wrote it");
    }
    if (!blob.double_data.empty()) {
      histories[i].FromHost(blob.double_data);
    } else {
      histories[i].FromHost(blob.data);
    }
  }
  RestoreProgress(state);
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
    LOG(WARNING) << options_.resume_from << " does not say how far the data had been read (Caffe "
                 << "does not store it); the data starts from the beginning";
  }
  for (size_t i = 0; i < test_nets_.size() && state.has_progress(); ++i) {
    tests_done_[i] = TestsBefore(iteration_);
    test_nets_[i]->SeekPasses(static_cast<uint64_t>(tests_done_[i]) * solver_->test_iter(i));
  }
  const int window = solver_->average_loss();
  const int saved = progress.recent_losses_size();
  const int kept = std::min(window, saved);
  std::vector<double> ring(window, 0);
  for (int i = 0; i < kept; ++i) ring[i] = progress.recent_losses(saved - kept + i);
  loss_window_.FromHost(ring);
  losses_ = kept;
}

}  // namespace crema
