// The snapshots that a run has written, for snapshot_keep: it may remove these, and no others.
#pragma once

#include <string>
#include <vector>

#include "train/snapshot_files.h"

namespace crema {

namespace proto {
class SolverProgress;
}

class KeptSnapshots {
 public:
  // The newest `keep` of the prefix are to stay. 0: all of them, and nothing is noted.
  KeptSnapshots(const std::string& prefix, int keep) : prefix_(prefix), keep_(keep) {}

  // Notes in the state of `written` which snapshots there may be once it is complete: the same ones
  // however often it is written.
  void Save(const WrittenSnapshot& written, proto::SolverProgress* progress) const;

  // Goes on from a state. A run that saves under another prefix has written nothing there.
  void Restore(const proto::SolverProgress& progress, const std::string& state_path);

  // One that is complete, the newest; its state names `best`.
  void Add(const WrittenSnapshot& written, int64_t best);

  // Removes the older ones but for that of iteration `best`, and that which the newest state names
  // as the best: a run may have to go on from there. What cannot be removed is tried again the next
  // time, with a warning.
  void RemoveOld(int64_t best);

 private:
  std::string prefix_;
  size_t keep_;
  // The oldest first; and those of before the last one was written for the first time.
  std::vector<WrittenSnapshot> written_, before_;
  int64_t named_best_ = -1;
};

}  // namespace crema
