// Text from files, for errors.
#pragma once

#include <cstddef>
#include <string>

namespace crema {

// The first `most` bytes of `text` with its control characters escaped, since files and keys may
// hold any bytes.
std::string Printable(const std::string& text, size_t most = 60);

}  // namespace crema
