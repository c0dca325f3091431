// The files of snapshots: their names, whether they are whole, and which of them is the newest.
#pragma once

#include <cstdint>
#include <string>

namespace crema {

namespace proto {
class SolverState;
}

// PREFIX_iter_N.caffemodel and PREFIX_iter_N.solverstate, or both with ".h5".
struct SnapshotPaths {
  std::string weights, state;
};
SnapshotPaths PathsOf(const std::string& prefix, int64_t iteration, bool hdf5);

// Throws Error where the file is missing or damaged, or is a weights file; the sentence says what
// to do instead.
void ReadSolverState(const std::string& path, proto::SolverState* state);

// The weights file of a state: the one it names or, where that is gone, the one of that name beside
// the state. Throws Error where there is none, or where it is not the one that was written with the
// state. (Caffe's states do not tell: theirs may be any.)
std::string FindWeights(const proto::SolverState& state, const std::string& state_path);

// The file that holds the state, in the format that the path's ending tells; sets its checksum.
std::string StateBytes(const std::string& path, proto::SolverState* state);

// What the state's own checksum should be; it does not cover the name of the weights file.
uint32_t StateChecksum(const proto::SolverState& state);

// The state file of the newest snapshot of a prefix that is whole, together with its weights; "" if
// there is none. Logs a warning for each newer one that is not.
std::string FindNewestSnapshot(const std::string& prefix);

// One warning where the prefix has snapshots already, for a run that does not go on from them.
void WarnOfOldSnapshots(const std::string& prefix);

// Removes a snapshot, in either format; it need not be there.
void RemoveSnapshot(const std::string& prefix, int64_t iteration);

// Removes what killed runs of this prefix have left half-written, and logs it.
void RemoveStaleSnapshotFiles(const std::string& prefix);

}  // namespace crema
