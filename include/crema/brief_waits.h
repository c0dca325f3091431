// How threads wait for each other.
#pragma once

namespace crema {

// Call this first in main(), with main's argv. A thread that waits for the others of its layer then
// spins for about 0.2 ms and sleeps after that. If the machine is overloaded at this moment (at
// least two other threads per processor could run), it spins for 0.05 ms, and the process asks
// Linux (6.12 and later) for short turns, so that a thread that has slept runs at once. Without
// this call, GNU's OpenMP runtime spins for up to 20 ms: no faster on an idle machine, and up to
// ten times as slow on one that runs other programs, because threads that spin use up the processor
// time that the others wait for.
//
// The runtime reads its settings when the program is loaded, so this starts the program once more,
// in the same process, with GOMP_SPINCOUNT set. It returns, and does nothing, if GOMP_SPINCOUNT or
// OMP_WAIT_POLICY is set, or if the program cannot be started again. CREMA_NO_RESTART=1 in the
// environment forbids it, for debuggers and the like.
void WaitBriefly(char** argv);

// The same for programs that use BLAS through crema only, with main's argv and environment:
// OpenBLAS then starts no threads of its own (OPENBLAS_NUM_THREADS is set to 1, whatever it was).
// crema uses none of them, but OpenBLAS starts them when it is loaded, one per processor, and where
// the system allows no more threads or memory it ends the program, or never lets it end. A library
// cannot prevent that. It may be called before any constructor has run.
void WaitBrieflyWithoutBlasThreads(char** argv, char** environment);

}  // namespace crema
