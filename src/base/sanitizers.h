// Whether this is compiled with a sanitizer that has a runtime of its own: it catches crashes, must
// be set up before other code runs, and reserves terabytes of addresses.
#pragma once

#if defined(__has_feature)
#define CREMA_HAS_FEATURE(feature) __has_feature(feature)
#else
#define CREMA_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_HWADDRESS__) ||              \
    defined(__SANITIZE_THREAD__) || CREMA_HAS_FEATURE(address_sanitizer) ||          \
    CREMA_HAS_FEATURE(hwaddress_sanitizer) || CREMA_HAS_FEATURE(thread_sanitizer) || \
    CREMA_HAS_FEATURE(memory_sanitizer)
#define CREMA_HAS_SANITIZER 1
#else
#define CREMA_HAS_SANITIZER 0
#endif

namespace crema {

constexpr bool kHasSanitizer = CREMA_HAS_SANITIZER != 0;

}  // namespace crema
