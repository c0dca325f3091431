// Which snapshots stay: snapshot_keep and snapshot_best.
#include <glog/logging.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/base/error.h"
#include "crema/train/trainer.h"
#include "train/kept_snapshots.h"
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
  std::set<std::string> names;  // several test nets may have the same
  for (int i = 0; i < test_nets(); ++i) {
    const Graph& graph = test_nets_[i]->graph();
    int element = 0;
    for (int output : graph.outputs) {
      const BlobNode& blob = graph.blobs[output];
      // A detector has one value a blob, its mean average precision.
      const int64_t values = solver_->eval_type() == "detection" ? 1 : blob.shape.count();
      if (values == 1) names.insert(blob.name);
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
       names.empty() ? "are none; set test_iter and test_interval"
                     : "are: " + Join({names.begin(), names.end()}));
}

// After a test. The untrained net of iteration 0 is no candidate.
void Trainer::NoteBest(int test_net, const std::vector<double>& means) {
  if (test_net != best_net_ || iteration_ == 0) return;
  const double value = means[best_element_];
  if (!std::isfinite(value)) return;
  const std::optional<double>& best = findings_.best_value;
  if (best.has_value() && (best_is_lowest_ ? value >= *best : value <= *best)) return;
  // One that could not be saved is not to cost the one before.
  if (last_snapshot_ != iteration_) TrySnapshot();
  if (last_snapshot_ != iteration_) return;
  findings_.best_value = value;
  findings_.best_iteration = iteration_;
  LOG(INFO) << Concat("Best ", solver_->snapshot_best(), " so far: ", FormatNumber(value),
                      "; the snapshot of iteration ", iteration_, " is kept");
  kept_->RemoveOld(findings_.best_iteration);
}

void Trainer::RestoreBookkeeping(const proto::SolverProgress& progress) {
  if (progress.has_best_value()) {
    findings_.best_value = progress.best_value();
    findings_.best_iteration = progress.best_iteration();
  }
  kept_->Restore(progress, options_.resume_from);
  kept_->RemoveOld(findings_.best_iteration);  // the run may have ended in the middle of it
  const std::string own = PathsOf(solver_->snapshot_prefix(), iteration_, InHdf5()).state;
  std::error_code failed;
  const bool is_there = std::filesystem::equivalent(options_.resume_from, own, failed);
  // A run that was done already has nothing to save under another name either.
  if (is_there || iteration_ >= solver_->max_iter()) last_snapshot_ = iteration_;
}

}  // namespace crema
