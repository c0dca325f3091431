// For tests that go through very many cases which are alike.
#pragma once

#include <cstdlib>

#include "base/sanitizers.h"

namespace crema::test {

// Every how manyth case is run: each one, but with sanitizers, which are several times slower, each
// `sanitized`th. CREMA_ALL_CASES=1 runs all of them everywhere.
inline int CaseStride(int sanitized) {
  return kHasSanitizer && std::getenv("CREMA_ALL_CASES") == nullptr ? sanitized : 1;
}

}  // namespace crema::test
