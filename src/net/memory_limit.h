// What CompileNet throws where a net that only runs forward takes more memory than it may.
#pragma once

#include "crema/error.h"

namespace crema {

class MemoryLimitError : public Error {
 public:
  using Error::Error;
};

}  // namespace crema
