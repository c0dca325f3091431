// The seal of a state's file: its size and checksum, inside it. They are those of the bytes, so
// that no change goes unnoticed, whatever the bytes mean; programs that know nothing of the seal,
// such as Caffe, read the file as before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace crema {

// How many bytes the seal of a serialized SolverState takes.
constexpr size_t kSealBytes = 18;

// The content of the file with its seal, in place if there is room for it. `bytes` is a serialized
// SolverState or an HDF5 file; `weights_checksum` says which weights file belongs to it.
std::string Sealed(std::string bytes, uint32_t weights_checksum);

// Returns whether the file has a seal (Caffe's states have none). Throws Error if it has one and is
// not what Sealed gave. The first form is for files that are in memory anyway, and not HDF5.
bool CheckSeal(const std::string& bytes, const std::string& path);
bool CheckHdf5Seal(const std::string& path);

// What the seal of a file says about its weights, without reading the rest; none if there is no
// seal, or no file.
std::optional<uint32_t> WeightsOfSealed(const std::string& path);

}  // namespace crema
