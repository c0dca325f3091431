#include "train/training_state.h"

#include <glog/logging.h>

#include <algorithm>
#include <vector>

#include "base/printable.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "schema/hdf5_weights.h"
#include "schema/weights_io.h"
#include "tensor/saved_tensor.h"
#include "train/snapshot_files.h"

namespace crema {
namespace {

void LoadWeightsToResume(const std::string& weights, Net* net) {
  const WeightsReport report = net->LoadWeights(weights);
  if (report.left_out.empty()) return;
  Fail(InFile(weights), ": has no weights for layer ", report.left_out[0],
       ", so training cannot be resumed exactly; to start from these weights, use --weights");
}

// A snapshot of an iteration has the gradients of the one before (snapshot_diff).
void RestoreGradients(const std::string& weights, const Net& net) {
  const std::vector<SavedLayer> layers =
      IsHdf5File(weights) ? ReadHdf5Weights(weights, true) : ReadWeightsFile(weights);
  for (const LayerNode& node : net.graph().layers) {
    const auto saved = std::find_if(layers.begin(), layers.end(), [&](const SavedLayer& layer) {
      return layer.name == node.layer->name() && layer.blobs.size() == node.params.size();
    });
    for (size_t i = 0; i < node.params.size() && saved != layers.end(); ++i) {
      const Blob& param = net.param(node.params[i]);
      const SavedBlob& blob = saved->blobs[i];
      if (!param.has_diff() || static_cast<int64_t>(blob.diff.size()) != param.count()) continue;
      RestoreGradient(blob, param.diff_tensor());
    }
  }
}

}  // namespace

proto::SolverState StateOf(const TrainingParts& parts) {
  proto::SolverState state;
  state.set_iter(static_cast<int>(parts.iteration));
  proto::SolverProgress* progress = state.mutable_progress();
  progress->set_random_seed(parts.seed);
  parts.optimizer->Save(&state);
  parts.schedule->Save(parts.iteration, &state);
  parts.metrics->Save(progress);
  parts.average->Save(progress);
  parts.losses->Save(progress);
  parts.nets->Save(progress);
  return state;
}

void RestoreState(const proto::SolverState& state, const std::string& path, TrainingParts* parts) {
  const std::string weights = FindWeights(state, path);
  LOG(INFO) << "Resuming from " << path << ", weights from " << Printable(weights, kWholeText);
  LoadWeightsToResume(weights, &parts->nets->train());
  parts->iteration = state.iter();
  parts->optimizer->Restore(state, path);
  parts->schedule->Restore(state);
  parts->metrics->Restore(state.progress());
  parts->average->Restore(state.progress(), path);
  const int64_t tests = parts->test_schedule.TestsBefore(parts->iteration);
  parts->nets->Restore(state, path, tests);
  if (state.has_progress()) parts->tester->SetTestsBegun(tests);
  parts->losses->Restore(state.progress());
  if (parts->solver->snapshot_diff()) RestoreGradients(weights, parts->nets->train());
}

}  // namespace crema
