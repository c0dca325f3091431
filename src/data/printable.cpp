#include "data/printable.h"

#include <cstdio>

namespace crema {

std::string Printable(const std::string& text, size_t most) {
  std::string printable;
  for (char c : text.substr(0, most)) {
    char escaped[5] = {c};
    if (static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) == 127) {
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
    }
    printable += escaped;
  }
  return text.size() > most ? printable + "..." : printable;
}

}  // namespace crema
