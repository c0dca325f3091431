#include "base/same_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "crema/error.h"

namespace crema {
namespace {

using Status = struct stat;

// Of what the path leads to; none if there is nothing.
std::optional<Status> StatusOf(const std::string& path) {
  Status status = {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

bool IsSame(const std::optional<Status>& a, const std::optional<Status>& b) {
  return a && b && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

// Where the file is, or would be made.
std::string FolderAt(const std::string& path) {
  std::error_code failed;
  const auto place = std::filesystem::weakly_canonical(path, failed);
  return failed ? "" : place.parent_path().string();
}

// The name of the file in the folder that `file` is, perhaps by a link; "" if it is none.
std::string FindIn(const std::string& folder, const Status& file) {
  std::error_code failed;
  auto entry = std::filesystem::directory_iterator(folder, failed);
  while (!failed && entry != std::filesystem::directory_iterator()) {
    if (IsSame(StatusOf(entry->path().string()), file)) return entry->path().string();
    entry.increment(failed);
  }
  return "";
}

[[noreturn]] void FailToOverwrite(const std::string& output, const std::string& input) {
  const std::string which = output == input ? "this file" : Concat("the file '", input, "'");
  Fail(InFile(output), ": ", which, " is read, and would be overwritten; choose another name");
}

}  // namespace

void CheckIsNoInput(const std::string& output, const std::vector<std::string>& inputs) {
  const std::optional<Status> file = StatusOf(output);
  if (file && !S_ISREG(file->st_mode) && !S_ISDIR(file->st_mode)) return;
  const std::optional<Status> folder = StatusOf(FolderAt(output));
  for (const std::string& input : inputs) {
    const std::optional<Status> read = StatusOf(input);
    if (!read) continue;
    if (IsSame(read, file)) FailToOverwrite(output, input);
    if (!S_ISDIR(read->st_mode)) continue;
    const std::string found = file ? FindIn(input, *file) : "";
    if (!found.empty()) FailToOverwrite(output, found);
    if (IsSame(read, folder)) {
      Fail(InFile(output), ": would be written into the folder '", input,
           "', which is read; choose another folder");
    }
  }
}

}  // namespace crema
