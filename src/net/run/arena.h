// The memory that nets which run in turn share: whatever a pass computes and nobody needs after it.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "crema/tensor.h"

namespace crema {

// A net that works in an arena. It is told when the memory changes, so that no view of the old
// memory keeps it from being freed.
class ArenaUser {
 public:
  virtual ~ArenaUser() = default;
  // How many bytes of the arena it uses.
  virtual size_t ArenaBytes() const = 0;
  // The memory is about to be freed: the user drops all that refers to it.
  virtual void ReleaseArena() = 0;
  // The arena has other memory now, of unspecified content, and at least ArenaBytes() of it.
  virtual void BindArena() = 0;
};

// One buffer for all its users, as large as the one that needs most. Its content counts for nothing
// between passes, so it grows without keeping it. For one thread at a time.
class Arena {
 public:
  // Takes no memory yet.
  explicit Arena(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  // Null before the first Reserve, and after one that found no memory at all. Who keeps it must be
  // a user.
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }

  // From now on `user` is told of changes, until it is removed. It is not owned.
  void Add(ArenaUser* user) { users_.push_back(user); }
  // Does nothing if it is no user.
  void Remove(ArenaUser* user);

  // Grows to at least `bytes`, if it is smaller. All users release the old memory before the new
  // one is allocated, and bind the new one then; but `asking` does not: it takes buffer() when it
  // is ready. Throws Error if there is not enough memory; all but `asking` are then back in
  // memory of the old size, or, if even that is gone, in none.
  void Reserve(size_t bytes, const ArenaUser* asking);

 private:
  void Allocate(size_t bytes, const ArenaUser* asking);

  std::shared_ptr<Device> device_;
  std::shared_ptr<Buffer> buffer_;
  std::vector<ArenaUser*> users_;
};

}  // namespace crema
