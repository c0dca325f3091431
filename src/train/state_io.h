// Reads `.solverstate` files.
#pragma once

#include <string>

namespace crema {

namespace proto {
class SolverState;
}

// Throws Error where the file is missing or damaged, or is a weights file; the sentence says what
// to do instead.
void ReadSolverState(const std::string& path, proto::SolverState* state);

}  // namespace crema
