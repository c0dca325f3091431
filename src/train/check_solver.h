// Whether a solver's numbers and words make sense, before anything is built.
#pragma once

namespace crema {

namespace proto {
class SolverParameter;
}

// Throws Error for the first field that does not. Warns of fields of other Caffes that change
// nothing here. What belongs to the nets is checked where they are read, see solver_nets.h.
void CheckSolver(const proto::SolverParameter& solver);

}  // namespace crema
