#include "base/spin.h"

namespace crema {

void SpinOnce() { __builtin_ia32_pause(); }

}  // namespace crema
