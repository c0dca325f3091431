// How much memory lists take.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace crema {

// Of a text, beyond the std::string itself: short ones need no more.
inline size_t BytesBeyond(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
}

inline size_t HeldBytes(const std::vector<std::string>& texts) {
  size_t bytes = texts.capacity() * sizeof(std::string);
  for (const std::string& text : texts) bytes += BytesBeyond(text);
  return bytes;
}

}  // namespace crema
