// What a layer makes of its parameters once, for all passes until they change.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "crema/tensor/blob.h"

namespace crema::onednn {

// Where something lies, and which version of it (Buffer::version).
using Version = std::pair<const void*, uint64_t>;

inline Version VersionOf(const Blob& blob) {
  return {blob.data_tensor().raw(), blob.data_tensor().buffer()->version()};
}

// Knows what it was made of. Several threads may ask at once: one makes it, the others wait.
class Kept {
 public:
  // Calls make() unless that was done for the same sources.
  template <class F>
  void Make(std::vector<Version> sources, const F& make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (sources == sources_) return;
    make();
    sources_ = std::move(sources);
  }
  void Forget() { sources_.clear(); }

 private:
  std::mutex mutex_;
  std::vector<Version> sources_;
};

}  // namespace crema::onednn
