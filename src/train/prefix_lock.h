// One run at a time saves snapshots under a prefix, or there would be one's state with the other's
// weights.
#pragma once

#include <string>

namespace crema {

// Holds PREFIX.lock while it lives: it is locked as an open file is, so that the lock ends with the
// process, however that ends. The file is removed at the end; one that a killed run has left is in
// nobody's way, and the next run removes it.
class PrefixLock {
 public:
  // Throws Error if another process holds the lock. Where no lock can be had, for want of one in
  // the file system, it is done without, with a warning; where no file can be made, without one,
  // since then no snapshot can be made either.
  explicit PrefixLock(const std::string& prefix);
  ~PrefixLock();
  PrefixLock(const PrefixLock&) = delete;
  PrefixLock& operator=(const PrefixLock&) = delete;

 private:
  bool Open();
  bool Lock();
  bool IsAtPath() const;
  void Sign();
  void Close();

  std::string prefix_, path_;
  int fd_ = -1;
  bool is_ours_ = false;  // to be removed: made by a run, not by a user
};

}  // namespace crema
