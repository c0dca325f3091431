// Signals that come before a command has said what they do.
#pragma once

namespace crema {

// From the beginning of main on: SIGINT, SIGHUP and SIGTERM wait, unless they are ignored. They go
// on waiting if the program runs itself anew (execv).
void HoldSignals();

// Signals do again what they did before HoldSignals, or what has been set since, and those that
// have waited do it now.
void ReleaseSignals();

}  // namespace crema
