#include "train/snapshot_files.h"

#include <glog/logging.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "base/printable.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "schema/binary_io.h"
#include "schema/hdf5_weights.h"
#include "schema/weights_io.h"
#include "train/state_seal.h"

namespace crema {
namespace {

constexpr char kWeights[] = ".caffemodel", kState[] = ".solverstate", kHdf5[] = ".h5";

bool FileExists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool IsSame(const FileIdentity& a, const FileIdentity& b) {
  return a.bytes >= 0 && a.device == b.device && a.inode == b.inode && a.bytes == b.bytes &&
         a.changed_ns == b.changed_ns;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Without the folder.
std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// How the names of a prefix's files begin.
std::string NameStart(const std::string& prefix) { return NameOf(prefix) + "_iter_"; }

// The iteration and the ending of a snapshot's file, by its name; -1: it is of another prefix, or
// no snapshot's.
std::pair<int64_t, std::string> SplitName(const std::string& name, const std::string& prefix) {
  constexpr size_t kMostDigits = 10;
  const std::string start = NameStart(prefix);
  if (name.compare(0, start.size(), start) != 0) return {-1, ""};
  const std::string rest = name.substr(start.size());
  const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits == 0 || digits > kMostDigits) return {-1, ""};
  const std::string ending = rest.substr(digits), kind = ending.substr(0, ending.find(kHdf5));
  const bool fits = kind == kWeights || kind == kState;
  if (!fits || (ending != kind && ending != kind + kHdf5)) return {-1, ""};
  return {std::stoll(rest.substr(0, digits)), ending};
}

template <class T>
uint32_t Add(const T* values, int64_t count, uint32_t before) {
  return ChecksumOf(values, static_cast<size_t>(count) * sizeof(T), before);
}

// By iteration: the states, none where there are weights alone.
std::map<int64_t, std::vector<std::string>, std::greater<>> Snapshots(const std::string& prefix) {
  std::map<int64_t, std::vector<std::string>, std::greater<>> found;
  const std::string folder = prefix.substr(0, prefix.rfind('/') + 1);
  for (const std::string& name : FileNames(FolderOf(prefix))) {
    const auto [iteration, ending] = SplitName(name, prefix);
    if (iteration < 0) continue;
    std::vector<std::string>& states = found[iteration];
    if (ending.compare(0, sizeof kState - 1, kState) == 0) states.push_back(folder + name);
  }
  return found;
}

// A file that is there but cannot be read might be whole: to start anew would cost it.
void CheckCanBeRead(const std::string& path) {
  struct stat info;
  const bool known = stat(path.c_str(), &info) == 0;
  if (known ? !S_ISREG(info.st_mode) : errno == ENOENT || errno == ENOTDIR) return;
  try {
    LastBytesOf(path, 1);
  } catch (const Error& error) {
    Fail(error, "; so --resume=auto cannot tell which snapshot is the newest; make the file ",
         "readable, or move it away");
  }
}

// States of before there were seals: those of crema had two checksums. Nobody has added fields to
// those since.
void CheckUnsealed(const std::string& path, const proto::SolverState& state) {
  const proto::SolverProgress& progress = state.progress();
  const bool known = state.unknown_fields().empty() && progress.unknown_fields().empty();
  const bool right = progress.has_state_checksum()
                         ? StateChecksum(state) == progress.state_checksum()
                         : !progress.has_weights_checksum();
  if (known && right) return;
  Fail(InFile(path),
       ": is damaged, or was changed after it was written: its checksum is wrong; resume ",
       "from another snapshot");
}

// See FindWeights.
std::vector<std::string> PlacesOfWeights(const proto::SolverState& state,
                                         const std::string& state_path) {
  const std::string& named = state.learned_net();
  const size_t name = state_path.rfind('/') + 1;
  std::vector<std::string> places = {state_path.substr(0, name) + NameOf(named)};
  const size_t ending = state_path.rfind(kState);
  if (ending != std::string::npos && ending >= name && state.progress().has_weights_checksum()) {
    const bool hdf5 = EndsWith(named, kHdf5);
    places.push_back(state_path.substr(0, ending) + kWeights + (hdf5 ? kHdf5 : ""));
  }
  places.push_back(named);
  std::error_code failed;
  if (std::filesystem::equivalent(places[0], named, failed)) places[0] = named;
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

// As ReadSolverState. A seal shows that a file is whole, so an HDF5 file need not be read further
// than to what it is for: `with_history` says whether the rest is wanted.
void ReadState(const std::string& path, bool with_history, proto::SolverState* state) {
  if (EndsWith(path, kWeights) || EndsWith(path, std::string(kWeights) + kHdf5)) {
    Fail(path,
         ": is a weights file, but --snapshot needs a .solverstate; to start from these weights, "
         "use --weights=",
         path);
  }
  bool sealed;
  if (IsHdf5File(path)) {
    sealed = CheckHdf5Seal(path);
    ReadHdf5State(path, state, sealed, with_history);
  } else {
    const std::string bytes = ReadFileBytes(path);
    sealed = CheckSeal(bytes, path);
    ReadBinary(bytes, path, "a solver state", state);
    if (!state->has_iter() || state->learned_net().empty() || state->iter() < 0) {
      Fail(InFile(path),
           ": is damaged or not a solver state: it has no iteration or no weights file");
    }
  }
  if (!sealed && state->has_progress()) CheckUnsealed(path, *state);
}

// Throws Error where the state, or its weights, cannot be used.
void CheckSnapshot(const std::string& path, int64_t iteration) {
  if (!FileExists(path)) Fail(InFile(path), ": is not a regular file");
  proto::SolverState state;
  ReadState(path, false, &state);
  if (state.iter() != iteration) {
    Fail(InFile(path), ": is the state of iteration ", state.iter(), ", whatever its name says");
  }
  const std::string weights = FindWeights(state, path);
  if (!state.progress().has_weights_checksum()) ReadWeightsFile(weights);
}

}  // namespace

bool SavesSnapshots(const proto::SolverParameter& solver) {
  return solver.snapshot() > 0 || !solver.snapshot_best().empty() || solver.snapshot_after_train();
}

SnapshotPaths PathsOf(const std::string& prefix, int64_t iteration, bool hdf5) {
  const std::string start = Concat(prefix, "_iter_", iteration);
  const std::string end = hdf5 ? kHdf5 : "";
  return {start + kWeights + end, start + kState + end};
}

void ReadSolverState(const std::string& path, proto::SolverState* state) {
  ReadState(path, true, state);
}

bool IsWeightsOf(const proto::SolverProgress& progress, const std::string& path) {
  try {
    const FileSum sum = SumOfFile(path);
    return sum.bytes == progress.weights_bytes() && sum.checksum == progress.weights_checksum();
  } catch (const Error&) {
    return false;
  }
}

std::string FindWeights(const proto::SolverState& state, const std::string& state_path) {
  const proto::SolverProgress& progress = state.progress();
  std::string other;
  for (const std::string& path : PlacesOfWeights(state, state_path)) {
    if (!FileExists(path)) continue;
    if (!progress.has_weights_checksum() || IsWeightsOf(progress, path)) return path;
    if (other.empty()) other = path;
  }
  if (other.empty()) {
    Fail(InFile(state_path), ": its weights file is missing: there is neither ",
         state.learned_net(), " nor ", FolderOf(state_path), "/", NameOf(state.learned_net()),
         "; put it beside the state");
  }
  const FileSum sum = SumOfFile(other);
  const std::string found = sum.bytes == progress.weights_bytes()
                                ? "wrong checksum"
                                : Concat(sum.bytes, " bytes, expected ", progress.weights_bytes());
  Fail(InFile(other), ": is damaged or not the file that was written with ", state_path, " (",
       found,
       "); resume from another snapshot, or start from these weights with --weights=", other);
}

std::string StateBytes(const std::string& path, const proto::SolverState& state) {
  return Sealed(EndsWith(path, kHdf5) ? Hdf5StateBytes(state, path)
                                      : SerializeToBytes(state, path, kSealBytes),
                state.progress().weights_checksum());
}

bool IsOfPrefix(const std::string& state_path, const std::string& prefix) {
  std::error_code failed;
  return NameOf(state_path).compare(0, NameStart(prefix).size(), NameStart(prefix)) == 0 &&
         std::filesystem::equivalent(FolderOf(state_path), FolderOf(prefix), failed);
}

uint32_t StateChecksum(const proto::SolverState& state) {
  proto::SolverProgress progress = state.progress();
  progress.clear_state_checksum();
  const std::string head =
      Concat(state.iter(), " ", state.current_step(), " ", progress.SerializeAsString());
  uint32_t sum = ChecksumOf(head.data(), head.size());
  for (const proto::BlobProto& blob : state.history()) {
    sum = Add(blob.shape().dim().data(), blob.shape().dim_size(), sum);
    sum = Add(blob.data().data(), blob.data_size(), sum);
    sum = Add(blob.double_data().data(), blob.double_data_size(), sum);
  }
  return sum;
}

namespace {

// As FindNewestSnapshot; `skips` is told what is wrong with each that is not whole.
std::string FindNewest(const std::string& prefix,
                       const std::function<void(const std::string&)>& skips) {
  for (const auto& [iteration, states] : Snapshots(prefix)) {
    if (states.empty()) {
      skips(Concat("Skipping the snapshot of iteration ", iteration, " of ", prefix,
                   ": it has weights but no state"));
    }
    for (const std::string& path : states) {
      CheckCanBeRead(path);
      CheckCanBeRead(PathsOf(prefix, iteration, EndsWith(path, kHdf5)).weights);
      try {
        CheckSnapshot(path, iteration);
        return path;
      } catch (const Error& error) {
        skips(Concat("Skipping the snapshot ", path, ": ", Printable(error.what(), kWholeText)));
      }
    }
  }
  return "";
}

// Whether a run could go on from one of the prefix's snapshots, as far as that can be known.
bool HasWholeSnapshot(const std::string& prefix) {
  try {
    return !FindNewest(prefix, [](const std::string&) {}).empty();
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

std::string FindNewestSnapshot(const std::string& prefix) {
  return FindNewest(prefix, [](const std::string& warning) { LOG(WARNING) << warning; });
}

void WarnOfOldSnapshots(const std::string& prefix) {
  std::map<int64_t, std::vector<std::string>, std::greater<>> found;  // the newest first
  try {
    found = Snapshots(prefix);
  } catch (const Error& error) {
    LOG(WARNING) << error.what() << ", so there may be snapshots of earlier runs";
  }
  if (found.empty()) return;
  const int64_t first = found.rbegin()->first, last = found.begin()->first;
  const std::string iterations =
      first == last ? Concat("iteration ", first) : Concat("iterations ", first, " to ", last);
  LOG(WARNING) << Concat(prefix, " has ", found.size(), " snapshot", found.size() == 1 ? "" : "s",
                         " of an earlier run (", iterations, "). This run starts anew, and its ",
                         "snapshots will replace or join them; ",
                         HasWholeSnapshot(prefix)
                             ? "to continue from the newest, use --resume=auto"
                             : "none of them is whole, so that none can be resumed",
                         "; to keep the runs apart, change snapshot_prefix");
}

FileIdentity IdentityOf(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return {};
  constexpr int64_t kNanoseconds = 1000000000;
  return {info.st_dev, info.st_ino, info.st_size,
          info.st_ctim.tv_sec * kNanoseconds + info.st_ctim.tv_nsec};
}

// The state first: one without weights must never be seen.
void RemoveSnapshot(const std::string& prefix, const WrittenSnapshot& snapshot) {
  const SnapshotPaths paths = PathsOf(prefix, snapshot.iteration, snapshot.hdf5);
  const bool has_state = FileExists(paths.state), has_weights = FileExists(paths.weights);
  const bool others_state = has_state && WeightsOfSealed(paths.state) != snapshot.weights_checksum;
  const bool others_weights = has_weights && !IsSame(IdentityOf(paths.weights), snapshot.weights) &&
                              SumOfFile(paths.weights).checksum != snapshot.weights_checksum;
  if (others_state || others_weights) {
    LOG(INFO) << Concat("The snapshot of iteration ", snapshot.iteration, " of ", prefix,
                        " is not the one that this run wrote any more, so it stays");
    return;
  }
  RemoveFile(paths.state);
  RemoveFile(paths.weights);
}

void RemoveStaleSnapshotFiles(const std::string& prefix) {
  const auto is_target = [&](const std::string& name) {
    return SplitName(name, prefix).first >= 0;
  };
  try {
    for (const std::string& path : RemoveStaleTemporaries(FolderOf(prefix), is_target)) {
      LOG(INFO) << "Removed " << path << ", left by a run that was killed";
    }
  } catch (const Error&) {  // the folder cannot be listed; then they stay
  }
}

}  // namespace crema
