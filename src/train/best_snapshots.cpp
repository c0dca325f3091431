// Which snapshots stay: snapshot_keep and snapshot_best.
#include <glog/logging.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/base/error.h"
#include "crema/train/trainer.h"
#include "schema/binary_io.h"
#include "train/report.h"
#include "train/snapshot_files.h"

namespace crema {

// Finds the output that snapshot_best names: in the first test net that has one.
void Trainer::FindBestOutput() {
  const std::string& wanted = solver_->snapshot_best();
  if (wanted.empty()) {
    if (solver_->has_snapshot_best_is()) {
      Fail("solver: snapshot_best_is is set without snapshot_best; set snapshot_best to an output");
    }
    return;
  }
  std::vector<std::string> names;
  for (int i = 0; i < test_nets(); ++i) {
    const Graph& graph = test_nets_[i]->graph();
    int element = 0;
    for (int output : graph.outputs) {
      const BlobNode& blob = graph.blobs[output];
      // A detector has one value a blob, its mean average precision.
      const int64_t values = solver_->eval_type() == "detection" ? 1 : blob.shape.count();
      names.push_back(blob.name);
      if (blob.name == wanted && values == 1) {
        best_net_ = i;
        best_element_ = element;
        best_is_lowest_ = solver_->has_snapshot_best_is()
                              ? solver_->snapshot_best_is() == proto::SolverParameter::LOWEST
                              : blob.loss_weight != 0;
        return;
      }
      element += static_cast<int>(values);
    }
  }
  Fail("solver: snapshot_best is '", wanted,
       "', but no test net has a single-valued output of that name; there ",
       names.empty() ? "are none; set test_iter and test_interval" : "are: " + Join(names));
}

// After a test. The untrained net of iteration 0 is no candidate.
void Trainer::NoteBest(int test_net, const std::vector<double>& means) {
  if (test_net != best_net_ || iteration_ == 0) return;
  const double value = means[best_element_];
  if (!std::isfinite(value)) return;
  if (best_value_.has_value() &&
      (best_is_lowest_ ? value >= *best_value_ : value <= *best_value_)) {
    return;
  }
  best_value_ = value;
  best_iteration_ = iteration_;
  LOG(INFO) << Concat("Best ", solver_->snapshot_best(), " so far: ", FormatNumber(value),
                      "; the snapshot of iteration ", iteration_, " is kept");
  if (last_snapshot_ == iteration_) {
    AddBestToState();
    RemoveOldSnapshots();
  } else {
    TrySnapshot();
  }
}

// The last snapshot is older than the test: only what is known of the best is new.
void Trainer::AddBestToState() {
  const std::string path = PathsOf(solver_->snapshot_prefix(), iteration_, InHdf5()).state;
  try {
    proto::SolverState state;
    ReadSolverState(path, &state);
    AddBookkeeping(state.mutable_progress());
    WriteFileAtomically(path, StateBytes(path, &state));
  } catch (const std::exception& error) {
    LOG(WARNING) << "A resumed run will test this iteration again: " << error.what();
  }
}

void Trainer::RemoveOldSnapshots() {
  const auto keep = static_cast<size_t>(solver_->snapshot_keep());
  if (keep == 0) return;
  const size_t old = kept_.size() > keep ? kept_.size() - keep : 0;
  std::vector<int64_t> left;
  for (size_t i = 0; i < kept_.size(); ++i) {
    bool stays = i >= old || kept_[i] == best_iteration_;
    try {
      if (!stays) RemoveSnapshot(solver_->snapshot_prefix(), kept_[i]);
    } catch (const Error& error) {
      LOG(WARNING) << error.what();
      stays = true;  // until the next time
    }
    if (stays) left.push_back(kept_[i]);
  }
  kept_ = left;
}

void Trainer::AddBookkeeping(proto::SolverProgress* progress) const {
  progress->clear_kept_snapshot();
  for (int64_t iteration : kept_) progress->add_kept_snapshot(iteration);
  const bool keeps_this =
      solver_->snapshot_keep() > 0 && (kept_.empty() || kept_.back() != iteration_);
  if (keeps_this) progress->add_kept_snapshot(iteration_);
  if (!best_value_.has_value()) return;
  progress->set_best_value(*best_value_);
  progress->set_best_iteration(best_iteration_);
}

// Only what belongs to this run is ever removed: iterations that its own states name.
void Trainer::RestoreBookkeeping(const proto::SolverProgress& progress) {
  for (int64_t iteration : progress.kept_snapshot()) {
    if (iteration >= 0 && iteration <= iteration_) kept_.push_back(iteration);
  }
  std::sort(kept_.begin(), kept_.end());
  if (best_net_ >= 0 && progress.has_best_value()) {
    best_value_ = progress.best_value();
    best_iteration_ = progress.best_iteration();
  }
  RemoveOldSnapshots();  // the run may have ended in the middle of it
}

}  // namespace crema
