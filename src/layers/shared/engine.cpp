#include "layers/shared/engine.h"

#include "crema/base/error.h"

namespace crema {

void RequireEngine(int engine, const std::string& title) {
  if (engine == 2) {
    Fail(title, ": engine CUDNN is not available in this build of crema; use DEFAULT or CAFFE, or "
         "leave the engine out");
  }
}

}  // namespace crema
