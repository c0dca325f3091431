// One round of a loop that waits without sleeping, as OpenMP's runtime does it on this processor.
#pragma once

namespace crema {

void SpinOnce();

}  // namespace crema
