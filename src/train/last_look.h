// A last look at the trained net: the training loop shows each iteration's state before its update,
// so that of the last update is shown by one more forward pass.
#pragma once

#include <optional>

#include "crema/train_observer.h"

namespace crema {

class SnapshotSaver;
struct PendingSnapshot;
struct TrainingParts;

// Whether this iteration is displayed, and the pass can be taken back.
bool HasLastLook(const TrainingParts& parts);

// Makes the pass, and commits `snapshot` (null: there is none). The pass moves statistics, carried
// states and the position in the data, which a later snapshot of this iteration must not have: all
// of that is taken back. Returns none if it was interrupted. Throws Error if the loss is not
// finite, and then does not commit: such weights are not worth their place. Whatever else goes
// wrong (with the data, say), the weights are good, and the snapshot stays.
std::optional<TrainPoint> TakeLastLook(TrainingParts* parts, SnapshotSaver* saver,
                                       PendingSnapshot* snapshot);

}  // namespace crema
