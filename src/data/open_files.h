// The descriptors of files of which only a few are open at a time.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/files.h"

namespace crema {

// A data set may have more files than a process may open. Files are named by their address. Any
// thread may call it.
class OpenFiles {
 public:
  using Handle = std::shared_ptr<const Descriptor>;

  // At most `most` at a time, and a small part of what the process may open.
  explicit OpenFiles(size_t most = 256);

  // The file's descriptor, which stays open as long as it is held; null if the file is not open.
  Handle Find(const void* file);
  // Takes a file that was opened just now, and closes those that were not used the longest.
  void Keep(const void* file, Handle descriptor);
  // Closes it if it is open and as soon as nobody holds it: for a file that goes out of use.
  void Drop(const void* file);
  // Closes the one that was not used the longest; returns false if none is open.
  bool CloseOne();

 private:
  struct Entry {
    Handle descriptor;
    std::list<const void*>::iterator use;
  };

  void DropLocked(const void* file);

  const size_t most_;
  std::mutex mutex_;
  std::unordered_map<const void*, Entry> open_;
  std::list<const void*> uses_;  // the latest first
};

}  // namespace crema
