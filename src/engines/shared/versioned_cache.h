// What a layer makes of its parameters once, such as weights in an engine's own order, and uses for
// all passes until they change.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "crema/blob.h"

namespace crema {

// Where something lies, and which version of it (Buffer::version).
using VersionedSource = std::pair<const void*, uint64_t>;

inline VersionedSource VersionOf(const Blob& blob) {
  return {blob.data_tensor().raw(), blob.data_tensor().buffer()->version()};
}

// Knows what the cached thing, which lies elsewhere, was made of. Several threads may ask at once:
// one makes it, the others wait.
class VersionedCache {
 public:
  // Calls make() unless the last call was for the same sources.
  template <class F>
  void Refresh(std::vector<VersionedSource> sources, const F& make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (sources == sources_) return;
    sources_.clear();  // if this fails, the thing is of neither
    make();
    sources_ = std::move(sources);
  }
  // The next Refresh calls make().
  void Invalidate() { sources_.clear(); }

 private:
  std::mutex mutex_;
  std::vector<VersionedSource> sources_;
};

}  // namespace crema
