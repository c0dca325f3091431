// The library locks LOCK by fcntl for all of its process. Our lock belongs to the open file, so
// that other descriptors of LOCK in this process, of which closing one gives up the process's
// locks, do not matter; the two kinds exclude each other.
#include "data/leveldb_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "data/record_source.h"

namespace crema {
namespace {

struct flock ReadLockOfAll() {
  struct flock lock = {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// Who keeps us from reading; l_type is F_UNLCK where nobody does, or where it cannot be known.
struct flock HolderOf(int file, int command) {
  struct flock lock = ReadLockOfAll();
  if (fcntl(file, command, &lock) != 0) lock.l_type = F_UNLCK;
  return lock;
}

}  // namespace

LevelDbReadLock::LevelDbReadLock(const std::string& folder, const std::string& title)
    : file_(OpenRetrying((folder + "/LOCK").c_str(),
                         O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC)) {
  if (!file_.ok()) return;
  struct flock lock = ReadLockOfAll();
  if (fcntl(file_.get(), F_OFD_SETLK, &lock) == 0) return;
  // Systems and file systems without locks of open files can still tell of others' locks.
  const struct flock holder = HolderOf(file_.get(), errno == EINVAL ? F_GETLK : F_OFD_GETLK);
  if (holder.l_type == F_UNLCK) {
    file_ = Descriptor();
    return;
  }
  // If this process holds it, closing any descriptor of the file would give the lock up.
  if (holder.l_pid == getpid()) (void)file_.Release();
  FailDatabase(title, "opened",
               "another process is using it, and may be changing it: stop that process, copy the "
               "folder, or convert to LMDB");
}

}  // namespace crema
