// HDF5 files: datasets of numbers in groups, by path ("data/conv1/0").
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace crema {

// Called before anything else of this header: the library then does nothing when the program ends.
// If it could not write all of a file, because the disk is full, it cannot close the file either,
// and would crash then. For programs that use HDF5 through crema only: their files are closed by
// then.
void LeaveHdf5FilesOpenAtExit();

// All members throw Error with one sentence that names the file and the dataset. A size that a file
// states makes them take memory only as far as the file could hold that many values. Files may be
// used by several threads, which wait for each other.
//
// Only what is in the file is read: links into other files and values kept in other files are
// refused; soft and hard links within the file are followed, and virtual datasets show those of
// files in the same folder.
class Hdf5File {
 public:
  // For reading.
  static Hdf5File Open(const std::string& path);
  // A new file at `path`, in the place of what is there. `name` is for errors; "": the path.
  static Hdf5File Create(const std::string& path, const std::string& name = "");
  // A new file in memory; see Bytes. `name` is for errors.
  static Hdf5File CreateInMemory(const std::string& name);
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;
  Hdf5File& operator=(Hdf5File&&) noexcept;

  // What errors call the file: `name`, where one was given.
  const std::string& path() const;
  // The size of the whole file; 0 if the library does not know it.
  uint64_t FileBytes() const;

  // The names in a group, in the order of their names; "" is the root. Those that end with "/" are
  // groups.
  std::vector<std::string> Names(const std::string& group) const;
  // Whether there is a dataset of that name; a group is none.
  bool Has(const std::string& dataset) const;

  // The extents of a dataset of numbers; none for a scalar.
  std::vector<int64_t> Shape(const std::string& dataset) const;
  // Whether its numbers are floating-point ones of more than 32 bits.
  bool HoldsDoubles(const std::string& dataset) const;
  // All values, converted from whatever number type they have.
  std::vector<float> ReadFloats(const std::string& dataset) const;
  std::vector<double> ReadDoubles(const std::string& dataset) const;
  // The only value of a dataset. Throws Error if it has more, or none.
  int64_t ReadInteger(const std::string& dataset) const;
  std::string ReadText(const std::string& dataset) const;  // a string, or bytes

  // Groups on the way are made.
  void MakeGroup(const std::string& group);
  void Write(const std::string& dataset, const std::vector<int64_t>& shape, const float* values);
  void Write(const std::string& dataset, const std::vector<int64_t>& shape, const double* values);
  void WriteInteger(const std::string& dataset, int value);
  void WriteText(const std::string& dataset, const std::string& text);
  void WriteBytes(const std::string& dataset, const std::string& bytes);
  // Adds rows (shape[0] of them) behind those that are there; makes the dataset where it is not.
  void Append(const std::string& dataset, const std::vector<int64_t>& shape, const float* values);
  // Brings what was written to the file.
  void Flush();
  // Ends the file, of which nothing may be asked any more. Throws Error if not all of it could be
  // written.
  void Close();

  // The file that CreateInMemory made.
  std::string Bytes();

 private:
  struct State;
  explicit Hdf5File(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Calls `read`, which reads the file at `path` through Hdf5File, first in a child process: the
// library crashes on some damaged files, or searches them for ever. Throws Error where it does so
// there, so that it does not here.
void TryAndRead(const std::string& path, const std::function<void()>& read);

}  // namespace crema
