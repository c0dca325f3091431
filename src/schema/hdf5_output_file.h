// An HDF5 file that grows row by row and has its name only once it is complete.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "schema/binary_io.h"
#include "schema/hdf5_io.h"

namespace crema {

// Until Finish, the rows are in a temporary file beside PATH, PATH.tmp.PID.N, and what stood at
// PATH is as it was. A process that is killed leaves the temporary file, with all rows up to the
// last Flush. Several processes may write files of one path: the last that finishes has it.
class Hdf5OutputFile {
 public:
  // Makes no file. Throws Error if none could be made at `path`, if one stands there that is not
  // an HDF5 file, or if another of these in this process has the same path.
  explicit Hdf5OutputFile(const std::string& path);
  // Finishes, and logs what fails; but drops the rows if an exception ends its life.
  ~Hdf5OutputFile();
  Hdf5OutputFile(const Hdf5OutputFile&) = delete;
  Hdf5OutputFile& operator=(const Hdf5OutputFile&) = delete;

  const std::string& path() const { return path_; }  // as the net's text names it

  // As those of Hdf5File; the first Append makes the temporary file. If one fails, all rows so far
  // are dropped.
  void Append(const std::string& dataset, const std::vector<int64_t>& shape, const float* values);
  void Flush();

  // Puts the rows in the place of what stands at the path; nothing if there was no Append. The next
  // Append begins a new file. Throws Error if that fails, and then drops the rows.
  void Finish();
  // Removes the temporary file.
  void Drop();

 private:
  // One at a time has a path.
  class Claim {
   public:
    explicit Claim(const std::string& path);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    std::string place_;
  };

  std::string path_;
  Claim claim_;
  int exceptions_;  // under way when this was made
  std::unique_ptr<PendingFile> pending_;
  std::unique_ptr<Hdf5File> file_;  // that of pending_
};

}  // namespace crema
