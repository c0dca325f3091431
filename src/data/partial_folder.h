// The folder in which a database grows until it is complete.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace crema {

// PATH.partial, used by this process alone. A file in it says that crema made it. Only what crema
// writes there is ever removed, and never by way of a symbolic link: a folder with that name may be
// somebody else's. All functions but the destructor throw Error, which names the database by
// `title`.
class PartialFolder {
 public:
  // Makes it, or takes over and empties what a crema that was killed has left: one that is at work
  // holds locks. Where the file system has none, nothing is taken over.
  PartialFolder(const std::string& path, const std::string& title);
  // Removes it, unless it has been published.
  ~PartialFolder();
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  const std::string& path() const { return path_; }  // PATH.partial

  // Gives the folder the name PATH, and brings that to the disk.
  void Publish();

  // The name of the file that says so.
  static constexpr char kMark[] = "CREMA_UNFINISHED";

 private:
  void Open(bool is_new);
  void Lock(int file);
  void CheckSame();
  void TakeOver();
  void Mark();
  void Close();
  [[noreturn]] void FailCreate(const std::string& why) const;

  const std::string final_path_, path_, title_;
  // Both with a lock, as far as there are some; that of a folder holds on this machine only.
  int folder_ = -1, mark_ = -1;
  bool can_lock_ = true;
};

}  // namespace crema
