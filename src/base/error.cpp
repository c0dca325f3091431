#include "crema/base/error.h"

#include <cstdio>
#include <cstdlib>

namespace crema {

void CheckFailed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "%s:%d: internal check failed: %s. %s\n", file, line, condition,
               message.c_str());
  std::abort();
}

}  // namespace crema
