#include "data/convert.h"

#include "crema/error.h"

namespace crema {

void StopIfAsked(const StopRequest& stop, uint64_t done, uint64_t all) {
  if (stop && stop(done, all)) Fail("stopped by a signal after ", done, " of ", all, " images");
}

}  // namespace crema
