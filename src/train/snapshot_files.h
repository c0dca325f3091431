// The files of snapshots: their names, whether they are whole, and which of them is the newest.
#pragma once

#include <cstdint>
#include <string>

namespace crema {

namespace proto {
class SolverParameter;
class SolverProgress;
class SolverState;
}  // namespace proto

// Whether a run with this solver means to save snapshots. (A signal may ask others for one, too.)
bool SavesSnapshots(const proto::SolverParameter& solver);

// PREFIX_iter_N.caffemodel and PREFIX_iter_N.solverstate, or both with ".h5".
struct SnapshotPaths {
  std::string weights, state;
};
// Whether such files are there does not matter.
SnapshotPaths PathsOf(const std::string& prefix, int64_t iteration, bool hdf5);

// Throws Error where the file is missing or damaged, or is a weights file; the sentence says what
// to do instead.
void ReadSolverState(const std::string& path, proto::SolverState* state);

// The weights file of a state, by its checksum: first beside the state, under the name that the
// state gives and under the state's own, since snapshots are copied and renamed; then where the
// state says. Throws Error if there is none, or if none is the one that was written with the state.
// (Caffe's states do not tell: theirs is the first that is there.)
std::string FindWeights(const proto::SolverState& state, const std::string& state_path);

// Whether the file has the weights that a state with this progress belongs to.
bool IsWeightsOf(const proto::SolverProgress& progress, const std::string& path);

// The file that holds the state, in the format that the path's ending tells, with its seal.
std::string StateBytes(const std::string& path, const proto::SolverState& state);

// The field `state_checksum`, by which states were checked before they had a seal.
uint32_t StateChecksum(const proto::SolverState& state);

// Whether a state's file has a name of this prefix, in its folder.
bool IsOfPrefix(const std::string& state_path, const std::string& prefix);

// The state file of the newest snapshot of a prefix that is whole, together with its weights; "" if
// there is none. Logs a warning for each newer one that is not. Throws Error if that cannot be
// known: if the folder, or a file of a snapshot, cannot be read at all.
std::string FindNewestSnapshot(const std::string& prefix);

// One warning where the prefix has snapshots already, for a run that does not go on from them.
void WarnOfOldSnapshots(const std::string& prefix);

// Which file of a name this is, so that its content need not be looked at again.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  int64_t bytes = -1, changed_ns = 0;
};
// bytes: -1 if there is no such file.
FileIdentity IdentityOf(const std::string& path);

// What tells a snapshot of a prefix from all others of the same name.
struct WrittenSnapshot {
  int64_t iteration = 0;
  bool hdf5 = false;
  uint32_t weights_checksum = 0;
  FileIdentity weights;  // if it is known
};

// Removes a snapshot, unless a file of it is missing or is another one by now: what is left is then
// only removed if it is this snapshot's.
void RemoveSnapshot(const std::string& prefix, const WrittenSnapshot& snapshot);

// Removes what killed runs of this prefix have left half-written, and logs it.
void RemoveStaleSnapshotFiles(const std::string& prefix);

}  // namespace crema
