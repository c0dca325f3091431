// Saves and restores what layers carry from one batch to the next.
#pragma once

#include <string>

#include "crema/net/net.h"

namespace crema {

namespace proto {
class SolverProgress;
}

// Each layer is saved under `prefix` and its name.
void SaveCarried(const Net& net, const std::string& prefix, proto::SolverProgress* progress);

// The other way; what was not saved stays as it is. Throws Error, beginning with `path`, where what
// was saved does not fit.
void RestoreCarried(const proto::SolverProgress& progress, const std::string& prefix,
                    const std::string& path, const Net& net);

}  // namespace crema
