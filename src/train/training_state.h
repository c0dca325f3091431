// What a snapshot's state file holds of a training, and how a training goes on from it.
#pragma once

#include <string>

#include "train/training_parts.h"

namespace crema {

// All of the state but what belongs to the snapshot's files: the name and the checksum of the
// weights, and the snapshots that are kept. Waits for the device.
proto::SolverState StateOf(const TrainingParts& parts);

// The training as it was when the state in the file `path` was written, with the weights beside it.
// Throws Error if the state is that of another net or solver, or its weights are missing.
void RestoreState(const proto::SolverState& state, const std::string& path, TrainingParts* parts);

}  // namespace crema
