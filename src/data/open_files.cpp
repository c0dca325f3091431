#include "data/open_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace crema {
namespace {

// Others need descriptors, too: for snapshots, logs, images, more data sets.
size_t SmallPartOfLimit() {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return std::max<size_t>(1, limit.rlim_cur / 4);
}

}  // namespace

OpenFiles::OpenFiles(size_t most) : most_(std::min(most, SmallPartOfLimit())) {}

OpenFiles::Handle OpenFiles::Find(const void* file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(file);
  if (found == open_.end()) return nullptr;
  uses_.splice(uses_.begin(), uses_, found->second.use);
  return found->second.descriptor;
}

void OpenFiles::Keep(const void* file, Handle descriptor) {
  const std::lock_guard<std::mutex> lock(mutex_);
  DropLocked(file);  // another thread may have been faster
  while (!uses_.empty() && open_.size() >= most_) DropLocked(uses_.back());
  uses_.push_front(file);
  open_[file] = {std::move(descriptor), uses_.begin()};
}

void OpenFiles::Drop(const void* file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  DropLocked(file);
}

void OpenFiles::DropLocked(const void* file) {
  const auto found = open_.find(file);
  if (found == open_.end()) return;
  uses_.erase(found->second.use);
  open_.erase(found);
}

bool OpenFiles::CloseOne() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (uses_.empty()) return false;
  DropLocked(uses_.back());
  return true;
}

}  // namespace crema
