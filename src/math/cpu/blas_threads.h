// BLAS works on the calling thread alone while crema computes, and as the program had it
// afterwards.
#pragma once

#include <optional>

#include "crema/dev/host_tasks.h"

namespace crema {

// While one lives, an OpenBLAS with threads of its own uses none of them. Their number is one for
// the whole program: the first sets it to 1, and the last sets it back, unless somebody else has
// changed it in between. A call of BLAS that the program makes meanwhile takes longer; its result
// is the same.
class SingleThreadedBlas {
 public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas&) = delete;
  SingleThreadedBlas& operator=(const SingleThreadedBlas&) = delete;
};

// The same for an OpenBLAS that uses OpenMP: it asks how many threads the calling thread may have,
// so this belongs on the thread that calls it, in the tasks.
class OneThreadForOpenMpBlas {
 public:
  OneThreadForOpenMpBlas();

 private:
  std::optional<PlansForThreads> one_;
};

}  // namespace crema
