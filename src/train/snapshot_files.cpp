#include "train/snapshot_files.h"

#include <glog/logging.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include "crema.pb.h"
#include "crema/base/error.h"
#include "schema/binary_io.h"
#include "schema/hdf5_weights.h"
#include "schema/weights_io.h"

namespace crema {
namespace {

constexpr char kWeights[] = ".caffemodel", kState[] = ".solverstate", kHdf5[] = ".h5";

bool FileExists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// How the names of a prefix's files begin, without the folder.
std::string NameStart(const std::string& prefix) {
  return prefix.substr(prefix.rfind('/') + 1) + "_iter_";
}

template <class T>
uint32_t Add(const T* values, int64_t count, uint32_t before) {
  return ChecksumOf(values, static_cast<size_t>(count) * sizeof(T), before);
}

// By iteration: the states, none where there are weights alone.
std::map<int64_t, std::vector<std::string>, std::greater<>> Snapshots(const std::string& prefix) {
  std::map<int64_t, std::vector<std::string>, std::greater<>> found;
  const std::string start = NameStart(prefix);
  const std::string folder = prefix.substr(0, prefix.rfind('/') + 1);
  for (const std::string& name : FileNames(FolderOf(prefix))) {
    if (name.compare(0, start.size(), start) != 0) continue;
    const std::string rest = name.substr(start.size());
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const std::string ending = rest.substr(digits);
    if (digits == 0 || digits > 10) continue;
    const int64_t iteration = std::stoll(rest.substr(0, digits));
    const bool is_state = ending == kState || ending == std::string(kState) + kHdf5;
    const bool is_weights = ending == kWeights || ending == std::string(kWeights) + kHdf5;
    if (is_state) found[iteration].push_back(folder + name);
    if (is_weights) found[iteration];
  }
  return found;
}

// Throws Error where the state, or its weights, cannot be used.
void CheckSnapshot(const std::string& path) {
  proto::SolverState state;
  ReadSolverState(path, &state);
  const std::string weights = FindWeights(state, path);
  if (!state.progress().has_weights_checksum()) ReadWeightsFile(weights);
}

}  // namespace

SnapshotPaths PathsOf(const std::string& prefix, int64_t iteration, bool hdf5) {
  const std::string start = Concat(prefix, "_iter_", iteration);
  const std::string end = hdf5 ? kHdf5 : "";
  return {start + kWeights + end, start + kState + end};
}

void ReadSolverState(const std::string& path, proto::SolverState* state) {
  if (EndsWith(path, kWeights) || EndsWith(path, std::string(kWeights) + kHdf5)) {
    Fail(path,
         ": is a weights file, but --snapshot needs a .solverstate; to start from these weights, "
         "use --weights=",
         path);
  }
  if (IsHdf5File(path)) {
    ReadHdf5State(path, state);
  } else {
    ReadBinaryFile(path, "a solver state", state);
    if (!state->has_iter() || state->learned_net().empty() || state->iter() < 0) {
      Fail(path, ": is damaged or not a solver state: it has no iteration or no weights file");
    }
  }
  // A newer version may have written fields that are not known here.
  const proto::SolverProgress& progress = state->progress();
  if (!progress.has_state_checksum() || !progress.unknown_fields().empty()) return;
  if (StateChecksum(*state) != progress.state_checksum()) {
    Fail(path, ": is damaged: its checksum is wrong; resume from another snapshot");
  }
}

std::string FindWeights(const proto::SolverState& state, const std::string& state_path) {
  std::string path = state.learned_net();
  if (!FileExists(path)) {
    path = FolderOf(state_path) + "/" + path.substr(path.rfind('/') + 1);
    if (!FileExists(path)) {
      Fail(state_path, ": its weights file is missing: there is neither ", state.learned_net(),
           " nor ", path, "; put it beside the state");
    }
  }
  const proto::SolverProgress& progress = state.progress();
  if (!progress.has_weights_checksum()) return path;
  const FileSum sum = SumOfFile(path);
  const bool same_size = sum.bytes == progress.weights_bytes();
  if (same_size && sum.checksum == progress.weights_checksum()) return path;
  const std::string found = same_size
                                ? "wrong checksum"
                                : Concat(sum.bytes, " bytes, expected ", progress.weights_bytes());
  Fail(path, ": is damaged or not the file that was written with ", state_path, " (", found,
       "); resume from another snapshot, or start from these weights with --weights=", path);
}

std::string StateBytes(const std::string& path, proto::SolverState* state) {
  state->mutable_progress()->set_state_checksum(StateChecksum(*state));
  return EndsWith(path, kHdf5) ? Hdf5StateBytes(*state, path) : SerializeToBytes(*state, path);
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

std::string FindNewestSnapshot(const std::string& prefix) {
  for (const auto& [iteration, states] : Snapshots(prefix)) {
    if (states.empty()) {
      LOG(WARNING) << Concat("Skipping the snapshot of iteration ", iteration, " of ", prefix,
                             ": it has weights but no state");
    }
    for (const std::string& path : states) {
      try {
        CheckSnapshot(path);
        return path;
      } catch (const Error& error) {
        LOG(WARNING) << "Skipping the snapshot " << path << ": " << error.what();
      }
    }
  }
  return "";
}

void WarnOfOldSnapshots(const std::string& prefix) {
  const auto found = Snapshots(prefix);  // the newest first
  if (found.empty()) return;
  const int64_t first = found.rbegin()->first, last = found.begin()->first;
  const std::string iterations =
      first == last ? Concat("iteration ", first) : Concat("iterations ", first, " to ", last);
  LOG(WARNING) << Concat(prefix, " has ", found.size(), " snapshot", found.size() == 1 ? "" : "s",
                         " of an earlier run (", iterations, "). This run starts anew, and its ",
                         "snapshots will replace or join them; to continue from the newest, use ",
                         "--resume=auto; to keep the runs apart, change ", "snapshot_prefix");
}

// The states first: one without weights must never be seen.
void RemoveSnapshot(const std::string& prefix, int64_t iteration) {
  const SnapshotPaths binary = PathsOf(prefix, iteration, false);
  const SnapshotPaths hdf5 = PathsOf(prefix, iteration, true);
  for (const std::string& path : {binary.state, hdf5.state, binary.weights, hdf5.weights}) {
    RemoveFile(path);
  }
}

void RemoveStaleSnapshotFiles(const std::string& prefix) {
  const std::string start = NameStart(prefix);
  const auto is_target = [&](const std::string& name) {
    return name.size() > start.size() && name.compare(0, start.size(), start) == 0 &&
           name.find_first_of("0123456789", start.size()) == start.size();
  };
  for (const std::string& path : RemoveStaleTemporaries(FolderOf(prefix), is_target)) {
    LOG(INFO) << "Removed " << path << ", left by a run that was killed";
  }
}

}  // namespace crema
