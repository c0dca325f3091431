// Recognises files that are given in another's place.
#pragma once

#include <string>

namespace crema {

// Returns what the first bytes of a file show it to be, as in "an HDF5 file" or "a web page", if
// that is a kind which no text or protobuf file of ours can begin like; otherwise "". A hint about
// what to do may follow after a comma. Needs the first 64 bytes at least, where there are as many.
std::string KindOfBytes(const std::string& bytes);

// Returns whether the bytes begin as an HDF5 file does. Such a file may pass for a protobuf one.
bool IsHdf5(const std::string& bytes);

}  // namespace crema
