// How many processors this process can really use.
#pragma once

#include <string>

namespace crema {

// The number of processors that this process may run on (sched_setaffinity, taskset), or fewer if
// its control group has a quota of processor time: the quota in processors, rounded to the nearest
// whole number. At least 1. The quota is read once.
int AvailableProcessors();

// The quota in processors (1.5: 150 ms of processor time in 100 ms) that the control groups of
// version 1 or 2 named in `groups`, the text of /proc/self/cgroup, and the groups that hold them
// allow; 0 if they set no limit. `mount` is where the groups are mounted, /sys/fs/cgroup. A
// container may see its own group as the root of the mount, so the root counts too.
double ProcessorQuota(const std::string& groups, const std::string& mount);

}  // namespace crema
