// Work that may crash, tried in a process of its own.
#pragma once

#include <functional>
#include <string>

namespace crema {

// Runs `work` in a fork of this process, without cores and without the handlers of signals that
// this process has, and waits for it. Returns "" where it returned or threw; else what became of
// it, as "crashes (Segmentation fault)". What the child cannot be blamed for, that there is none or
// that it was killed from outside, is "" too. `cpu_seconds` limits its work.
// Only the calling thread is in the child, so locks that others may hold must not be needed by
// `work`: it may use malloc, files, and what the caller has locked. A child that waits for such a
// lock all the same uses no processor: after `idle_ms` without any progress it is ended and another
// one is made, three in all. All of it ends after at most 5 * cpu_seconds. `work` does not change
// this process.
std::string FaultInChild(const std::function<void()>& work, unsigned cpu_seconds,
                         int idle_ms = 2000);

}  // namespace crema
