// How shared memory grows: everybody out, then everybody in.
#include "net/run/arena.h"

#include <algorithm>

namespace crema {

void Arena::Remove(ArenaUser* user) {
  users_.erase(std::remove(users_.begin(), users_.end(), user), users_.end());
}

void Arena::Reserve(size_t bytes, const ArenaUser* asking) {
  const size_t before = buffer_ == nullptr ? 0 : buffer_->bytes();
  if (buffer_ != nullptr && before >= bytes) return;
  for (ArenaUser* user : users_) {
    user->ReleaseArena();
    if (user != asking) bytes = std::max(bytes, user->ArenaBytes());
  }
  buffer_.reset();
  try {
    Allocate(bytes, asking);
  } catch (...) {
    try {
      if (before > 0) Allocate(before, asking);
    } catch (...) {  // each user then reserves its memory again before its next pass
    }
    throw;
  }
}

void Arena::Allocate(size_t bytes, const ArenaUser* asking) {
  buffer_ = std::make_shared<Buffer>(device_, bytes);
  for (ArenaUser* user : users_) {
    if (user != asking) user->BindArena();
  }
}

}  // namespace crema
