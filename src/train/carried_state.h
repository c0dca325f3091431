// Saves and restores what layers carry from one batch to the next.
#pragma once

#include <string>

#include "crema/net.h"

namespace crema {

namespace proto {
class SolverProgress;
}

// Each layer is saved under `prefix` and its name.
void SaveCarried(const Net& net, const std::string& prefix, proto::SolverProgress* progress);

// The other way, for the same nets in the same order: `next` is where the first one begins, 0, and
// becomes where the next one does, since a layer's name may begin with another net's prefix. What
// was not saved stays as it is. Throws Error, beginning with `path`, if what was saved does not
// fit.
void RestoreCarried(const proto::SolverProgress& progress, const std::string& prefix,
                    const std::string& path, const Net& net, int* next);

}  // namespace crema
