#include "train/prefix_lock.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"
#include "crema/error.h"
#include "solvers/solver_error.h"

namespace crema {
namespace {

// How the file begins that a run has made; its process number and the machine's name follow.
constexpr char kSignature[] = "crema train, process ";

constexpr int kRounds = 100;  // of runs that end just now

constexpr char kBeCareful[] = "; make sure that no other run uses this snapshot_prefix";

std::string ContentOf(int fd) {
  char text[512];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  return std::string(text, size > 0 ? static_cast<size_t>(size) : 0);
}

bool IsSigned(const std::string& content) { return content.rfind(kSignature, 0) == 0; }

// " (process 123 on node4)", as far as the file tells. Only what a name may have is repeated.
std::string HolderIn(const std::string& content) {
  if (!IsSigned(content)) return "";
  const std::string holder = content.substr(sizeof kSignature - 1);
  constexpr char kKnown[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._ ";
  return " (process " + holder.substr(0, holder.find_first_not_of(kKnown)) + ")";
}

std::string NameOfMachine() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) == 0 ? name : "?";
}

}  // namespace

PrefixLock::PrefixLock(const std::string& prefix) : prefix_(prefix), path_(prefix + ".lock") {
  for (int round = 0; round < kRounds; ++round) {
    if (!Open() || !Lock()) return;
    if (IsAtPath()) {
      Sign();
      return;
    }
    Close();  // removed by the run before, which has just ended
    is_ours_ = false;
  }
  LOG(WARNING) << path_ << ": is replaced all the time" << kBeCareful;
}

PrefixLock::~PrefixLock() {
  if (is_ours_ && IsAtPath()) unlink(path_.c_str());  // while nobody else can have the lock
  Close();
}

void PrefixLock::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

// Returns false if there is no file to lock.
bool PrefixLock::Open() {
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  for (int round = 0; round < kRounds; ++round) {
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | kFlags, 0666);
    is_ours_ = fd_ >= 0;
    if (is_ours_ || errno != EEXIST) break;
    fd_ = open(path_.c_str(), O_RDWR | kFlags);
    if (fd_ < 0 && errno == EACCES) fd_ = open(path_.c_str(), O_RDONLY | kFlags);
    if (fd_ >= 0 || errno != ENOENT) break;  // else it was removed just now
  }
  struct stat info;
  const bool is_file = fd_ >= 0 && fstat(fd_, &info) == 0 && S_ISREG(info.st_mode);
  if (is_file) return true;
  const int code = errno;
  const bool exists = lstat(path_.c_str(), &info) == 0;
  if (exists && !S_ISREG(info.st_mode)) {
    Close();
    Fail(InFile(path_),
         ": is not a regular file, so it cannot be the lock of snapshot_prefix; remove it");
  }
  if (exists) LOG(WARNING) << path_ << ": cannot be opened: " << ErrorText(code) << kBeCareful;
  return false;
}

// Returns false if the file system has no locks.
bool PrefixLock::Lock() {
  int code;
  do {
    code = flock(fd_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  } while (code == EINTR);
  if (code == 0) return true;
  if (code == EWOULDBLOCK) {
    const std::string holder = HolderIn(ContentOf(fd_));
    is_ours_ = false;
    Close();
    FailInSolver("another run", holder, " is saving snapshots under the snapshot_prefix '", prefix_,
                 "'; wait for its end, or change snapshot_prefix");
  }
  LOG(WARNING) << path_ << ": cannot be locked: " << ErrorText(code) << kBeCareful;
  return false;
}

bool PrefixLock::IsAtPath() const {
  struct stat mine, there;
  return fstat(fd_, &mine) == 0 && lstat(path_.c_str(), &there) == 0 &&
         mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

// A file that somebody else has put there is locked, but neither written nor removed. An empty one
// is what a run leaves that was killed here.
void PrefixLock::Sign() {
  const std::string content = ContentOf(fd_);
  is_ours_ = content.empty() || IsSigned(content);
  if (!is_ours_) return;
  const std::string text = Concat(kSignature, getpid(), " on ", NameOfMachine(), "\n");
  const auto size = static_cast<ssize_t>(text.size());
  const bool written =
      pwrite(fd_, text.data(), text.size(), 0) == size && ftruncate(fd_, size) == 0;
  (void)written;  // a full disk: then a second run cannot tell who is the first
}

}  // namespace crema
