// Starts the program again before the libraries' constructors run: OpenBLAS starts its threads in
// one of them, which ends the program where the system allows no threads.
#include <unistd.h>

#include "base/sanitizers.h"
#include "crema/brief_waits.h"

// Code with a sanitizer cannot run so early. There, and where the C library does not know the
// section, main() does it.
#if !CREMA_HAS_SANITIZER

namespace {

void StartAgain(int /*argc*/, char** argv, char** environment) {
  try {
    crema::WaitBrieflyWithoutBlasThreads(argv, environment);
  } catch (...) {  // no memory; main() says so
  }
}

__attribute__((section(".preinit_array"), used)) void (*start_again)(int, char**,
                                                                     char**) = StartAgain;

}  // namespace

#endif
