#include "train/last_look.h"

#include "crema.pb.h"
#include "train/interruptible_pass.h"
#include "train/pass_state.h"
#include "train/report.h"
#include "train/snapshot_saver.h"
#include "train/training_parts.h"

namespace crema {
namespace {

// Returns false if it was interrupted.
bool RunPass(TrainingParts* parts, SnapshotSaver* saver, PendingSnapshot* snapshot) {
  try {
    parts->passes->RunForwardOnly(parts->iteration);
  } catch (const PassInterrupted&) {
    return false;
  } catch (const std::exception&) {
    if (snapshot != nullptr) saver->Commit(snapshot);
    throw;
  }
  parts->passes->CheckLast(parts->iteration);
  return true;
}

TrainPoint LastPoint(const TrainingParts& parts) {
  TrainPoint point;
  point.iteration = parts.iteration;
  point.loss = parts.losses->MeanWithPending();
  point.outputs = ReadOutputs(parts.nets->train());
  point.last = true;
  return point;
}

}  // namespace

bool HasLastLook(const TrainingParts& parts) {
  const int display = parts.solver->display();
  return display > 0 && parts.iteration % display == 0 && NotesAll(parts.nets->train());
}

std::optional<TrainPoint> TakeLastLook(TrainingParts* parts, SnapshotSaver* saver,
                                       PendingSnapshot* snapshot) {
  PassState before(&parts->nets->train());
  before.Note();
  const auto take_back = [&] {
    before.TakeBack();
    parts->reporter.RestartWaiting(parts->nets->train());
  };
  std::optional<TrainPoint> point;
  try {
    if (RunPass(parts, saver, snapshot)) point = LastPoint(*parts);
    if (snapshot != nullptr) saver->Commit(snapshot);
  } catch (...) {
    take_back();
    throw;
  }
  take_back();
  return point;
}

}  // namespace crema
