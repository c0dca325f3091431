// How threads wait for each other.
#pragma once

namespace crema {

// Call this first in main(), with main's argv. A thread that waits for the others of its layer then
// spins for about 0.2 ms and sleeps after that. Without it, GNU's OpenMP runtime spins for up to
// 20 ms: no faster on an idle machine, and up to ten times as slow on one that runs other programs,
// because threads that spin use up the processor time that the others wait for.
//
// The runtime reads its settings when the program is loaded, so this sets GOMP_SPINCOUNT and starts
// the program once more, in the same process. It returns, and does nothing, if GOMP_SPINCOUNT or
// OMP_WAIT_POLICY is set, or if the program cannot be started again.
void WaitBriefly(char** argv);

}  // namespace crema
