// Where Linux keeps the limits of the control groups (a container's, a cluster job's) of a process.
#pragma once

#include <string>
#include <vector>

namespace crema {

// The folders that may hold limits of `controller`, such as "cpu" or "memory": of the groups named
// in `groups`, the text of /proc/self/cgroup, and of those that hold them, up to the mount's own,
// for versions 1 and 2. `mount` is where groups are mounted, /sys/fs/cgroup. A folder need not
// exist: a container may see its own group as the root of the mount. Thread-safe.
std::vector<std::string> ControlGroupFolders(const std::string& groups, const std::string& mount,
                                             const std::string& controller);

}  // namespace crema
