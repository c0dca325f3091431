// Starts the program again before the libraries' constructors run: OpenBLAS starts its threads in
// one of them, which ends the program where the system allows no threads.
#include <unistd.h>

#include "crema/base/brief_waits.h"

#if defined(__has_feature)
#define CREMA_HAS_FEATURE(feature) __has_feature(feature)
#else
#define CREMA_HAS_FEATURE(feature) 0
#endif

// Code with a sanitizer cannot run so early. There, and where the C library does not know the
// section, main() does it.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&               \
    !CREMA_HAS_FEATURE(address_sanitizer) && !CREMA_HAS_FEATURE(thread_sanitizer) && \
    !CREMA_HAS_FEATURE(memory_sanitizer)

namespace {

void StartAgain(int /*argc*/, char** argv, char** environment) {
  crema::WaitBrieflyWithoutBlasThreads(argv, environment);
}

__attribute__((section(".preinit_array"), used)) void (*start_again)(int, char**,
                                                                     char**) = StartAgain;

}  // namespace

#endif
