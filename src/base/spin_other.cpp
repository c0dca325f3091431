#include "base/spin.h"

namespace crema {

void SpinOnce() { asm volatile("" ::: "memory"); }

}  // namespace crema
