#include "data/partial_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "crema/error.h"
#include "data/record_source.h"

namespace crema {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

// Whether the text is `start`, some of `characters`, and `end`.
bool Fits(std::string_view text, std::string_view start, std::string_view characters,
          std::string_view end) {
  if (text.size() <= start.size() + end.size() || text.substr(0, start.size()) != start ||
      text.substr(text.size() - end.size()) != end) {
    return false;
  }
  const std::string_view middle =
      text.substr(start.size(), text.size() - start.size() - end.size());
  return middle.find_first_not_of(characters) == std::string_view::npos;
}

// Whether crema, lmdb or leveldb make a file of this name in a folder of a database.
bool IsOurs(std::string_view name) {
  for (const std::string_view known :
       {std::string_view(PartialFolder::kMark), "data.mdb"sv, "lock.mdb"sv, "CURRENT"sv, "LOCK"sv,
        "LOG"sv, "LOG.old"sv, "classes.txt"sv}) {
    if (name == known) return true;
  }
  const std::string_view digits = "0123456789";
  for (const std::string_view type : {".log"sv, ".ldb"sv, ".sst"sv, ".dbtmp"sv}) {
    if (Fits(name, "", digits, type)) return true;
  }
  return Fits(name, "MANIFEST-", digits, "") ||
         Fits(name, "classes.txt.tmp.", "0123456789.", "");  // of WriteFileAtomically
}

bool IsRegular(int folder, const std::string& name) {
  struct stat status;
  return fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(status.st_mode);
}

// The names in an open folder, sorted: of what it holds, not of what now has its name. Returns
// false where they cannot be read; errno says why.
bool ListNames(int folder, std::vector<std::string>* names) {
  const int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const list = again < 0 ? nullptr : fdopendir(again);
  if (list == nullptr) {
    if (again >= 0) close(again);
    return false;
  }
  errno = 0;
  while (const dirent* entry = readdir(list)) {
    if (entry->d_name != "."sv && entry->d_name != ".."sv) names->push_back(entry->d_name);
    errno = 0;
  }
  const int error = errno;
  closedir(list);
  errno = error;
  std::sort(names->begin(), names->end());
  return error == 0;
}

// Removes what is ours, all but the mark: if this is killed, the rest can still be taken over.
void RemoveOurs(int folder) {
  std::vector<std::string> names;
  ListNames(folder, &names);
  for (const std::string& name : names) {
    if (name != PartialFolder::kMark && IsOurs(name) && IsRegular(folder, name)) {
      unlinkat(folder, name.c_str(), 0);
    }
  }
}

void SyncFolder(const fs::path& folder) {
  const int file = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace

PartialFolder::PartialFolder(const std::string& path, const std::string& title)
    : final_path_(path), path_(path + ".partial"), title_(title) {
  const bool is_new = mkdir(path_.c_str(), 0755) == 0;
  if (!is_new && errno != EEXIST) {
    FailCreate(Concat("cannot create the folder '", path_, "': ", std::strerror(errno)));
  }
  try {
    Open(is_new);
    Lock(folder_);
    CheckSame();
    if (!is_new) TakeOver();
    Mark();
  } catch (...) {
    Close();
    if (is_new) rmdir(path_.c_str());
    throw;
  }
}

PartialFolder::~PartialFolder() {
  if (folder_ < 0) return;
  RemoveOurs(folder_);
  unlinkat(folder_, kMark, 0);
  Close();
  if (rmdir(path_.c_str()) != 0 && errno != ENOENT) {
    LOG(WARNING) << "'" << path_ << "' stays: " << std::strerror(errno);
  }
}

void PartialFolder::FailCreate(const std::string& why) const {
  FailDatabase(title_, "created", why);
}

void PartialFolder::Open(bool is_new) {
  folder_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder_ >= 0) return;
  if (!is_new && (errno == ENOTDIR || errno == ELOOP)) {
    FailCreate(Concat("it grows in the folder '", path_,
                      "', but that name is taken by something else; remove or rename that"));
  }
  FailCreate(Concat("'", path_, "': ", std::strerror(errno)));
}

void PartialFolder::Lock(int file) {
  int code;
  do {
    code = flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  } while (code == EINTR);
  if (code == EWOULDBLOCK) {
    FailCreate("another process is creating it; wait until that has finished");
  }
  if (code != 0) can_lock_ = false;
}

void PartialFolder::Close() {
  for (int* const file : {&folder_, &mark_}) {
    if (*file >= 0) close(*file);
    *file = -1;
  }
}

// Another process may have given the folder its final name in the meantime.
void PartialFolder::CheckSame() {
  struct stat mine, named;
  if (fstat(folder_, &mine) == 0 && lstat(path_.c_str(), &named) == 0 &&
      mine.st_dev == named.st_dev && mine.st_ino == named.st_ino) {
    return;
  }
  FailCreate(Concat("another process has moved or removed '", path_, "'; try again"));
}

// Empties a folder that was there before, if it is ours.
void PartialFolder::TakeOver() {
  std::vector<std::string> names;
  if (!ListNames(folder_, &names)) FailCreate(Concat("'", path_, "': ", std::strerror(errno)));
  struct stat status;
  if (fstat(folder_, &status) != 0 || status.st_uid != geteuid()) {
    FailCreate(Concat("'", path_, "' belongs to another user; remove or rename it"));
  }
  const bool is_empty = names.empty();  // its process was killed before it could make the mark
  const auto refuse = [&](const std::string& what) {
    FailCreate(Concat("it grows in the folder '", path_, "', but that exists and ", what,
                      "; move or remove it"));
  };
  if (!is_empty && !IsRegular(folder_, kMark)) refuse("was not made by `crema convert`");
  for (const std::string& name : names) {
    if (!IsOurs(name) || !IsRegular(folder_, name)) {
      refuse("contains '" + name + "', which `crema convert` did not make");
    }
  }
  if (!is_empty) Mark();
  if (!can_lock_) {
    FailCreate(Concat("it grows in the folder '", path_,
                      "', but that exists, and its file system has no locks that would tell "
                      "whether another process is at work there; if none is, remove it"));
  }
  if (is_empty) return;
  RemoveOurs(folder_);
  LOG(INFO) << "Removed " << path_ << ", left by a process that was killed";
}

// Makes the mark, or finds it, and locks it: network file systems lock files that may be written.
void PartialFolder::Mark() {
  if (mark_ >= 0) return;
  mark_ = openat(folder_, kMark, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
  if (mark_ < 0) FailCreate(Concat("'", path_, "/", kMark, "': ", std::strerror(errno)));
  Lock(mark_);
}

void PartialFolder::Publish() {
  if (rename(path_.c_str(), final_path_.c_str()) != 0) {
    FailCreate(Concat("'", path_, "' cannot be renamed: ", std::strerror(errno)));
  }
  // Killed here, it leaves a file too many in a database that is complete.
  unlinkat(folder_, kMark, 0);
  fsync(folder_);
  Close();
  SyncFolder(fs::path(final_path_).parent_path());
}

}  // namespace crema
