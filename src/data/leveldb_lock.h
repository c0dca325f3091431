// A lock that keeps the leveldb library from opening a database while it is read.
#pragma once

#include <string>

#include "base/files.h"

namespace crema {

// The library turns the log into tables and removes files as soon as it opens a database. While
// this lives it refuses to, in all processes; any number of processes may read. Nothing is written:
// the lock is one for readers, on the file LOCK. Where that is missing or cannot be locked, there
// is no lock, and a change while the database is read shows as a missing or replaced file.
class LevelDbReadLock {
 public:
  // Throws Error where a process has the database open with the library.
  LevelDbReadLock(const std::string& folder, const std::string& title);

 private:
  Descriptor file_;
};

}  // namespace crema
