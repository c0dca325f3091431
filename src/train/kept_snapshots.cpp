#include "train/kept_snapshots.h"

#include <glog/logging.h>

#include "crema.pb.h"
#include "crema/error.h"

namespace crema {
namespace {

// One number a snapshot: 31 bits of the iteration, the format, 32 bits of the checksum.
constexpr int kFormatBit = 31, kChecksumBit = 32;

int64_t Packed(const WrittenSnapshot& snapshot) {
  return static_cast<int64_t>(static_cast<uint64_t>(snapshot.iteration) |
                              uint64_t{snapshot.hdf5} << kFormatBit |
                              uint64_t{snapshot.weights_checksum} << kChecksumBit);
}

WrittenSnapshot Unpacked(int64_t number) {
  const auto bits = static_cast<uint64_t>(number);
  WrittenSnapshot snapshot;
  snapshot.iteration = static_cast<int64_t>(bits & ((uint64_t{1} << kFormatBit) - 1));
  snapshot.hdf5 = (bits >> kFormatBit & 1) != 0;
  snapshot.weights_checksum = static_cast<uint32_t>(bits >> kChecksumBit);
  return snapshot;
}

bool HasSameName(const WrittenSnapshot& a, const WrittenSnapshot& b) {
  return a.iteration == b.iteration && a.hdf5 == b.hdf5;
}

}  // namespace

void KeptSnapshots::Save(const WrittenSnapshot& written, proto::SolverProgress* progress) const {
  progress->clear_kept_snapshot();
  if (keep_ == 0) return;
  const bool again = !written_.empty() && HasSameName(written_.back(), written);
  for (const WrittenSnapshot& other : again ? before_ : written_) {
    progress->add_kept_snapshot(Packed(other));
  }
  progress->add_kept_snapshot(Packed(written));
}

void KeptSnapshots::Restore(const proto::SolverProgress& progress, const std::string& state_path) {
  if (keep_ == 0 || !IsOfPrefix(state_path, prefix_)) return;
  if (progress.has_best_iteration()) named_best_ = progress.best_iteration();
  for (const int64_t number : progress.kept_snapshot()) {
    const WrittenSnapshot snapshot = Unpacked(number);
    if (snapshot.weights_checksum != 0) {
      written_.push_back(snapshot);
    } else {
      LOG(WARNING) << Concat("snapshot_keep leaves the snapshot of iteration ", snapshot.iteration,
                             ": an earlier version of crema did not note its checksum");
    }
  }
  before_ = written_;
  if (!before_.empty()) before_.pop_back();  // the one that is gone on from
}

void KeptSnapshots::Add(const WrittenSnapshot& written, int64_t best) {
  if (keep_ == 0) return;
  named_best_ = best;
  if (written_.empty() || !HasSameName(written_.back(), written)) {
    before_ = written_;
    written_.push_back(written);
  }
  written_.back() = written;
}

void KeptSnapshots::RemoveOld(int64_t best) {
  const size_t old = written_.size() > keep_ ? written_.size() - keep_ : 0;
  if (keep_ == 0 || old == 0) return;
  std::vector<WrittenSnapshot> left;
  for (size_t i = 0; i < written_.size(); ++i) {
    const int64_t iteration = written_[i].iteration;
    bool stays = i >= old || iteration == best || iteration == named_best_;
    try {
      if (!stays) RemoveSnapshot(prefix_, written_[i]);
    } catch (const Error& error) {
      LOG(WARNING) << error.what();
      stays = true;
    }
    if (stays) left.push_back(written_[i]);
  }
  written_ = left;
}

}  // namespace crema
