// Passes of a net that can be given up between two layers, so that a stop need not wait for their
// end.
#pragma once

#include <cstdint>
#include <functional>

#include "crema/net.h"

namespace crema {

// Thrown out of a pass that is given up. What the pass has changed by then stays so; see
// pass_state.h for taking it back.
struct PassInterrupted {};

// Asked before every layer, on the thread that runs the pass: true gives the pass up. Empty: the
// pass is always finished.
using Interrupt = std::function<bool()>;

// Net::Forward, but throws PassInterrupted if the pass is given up.
void RunForward(uint64_t step, const Interrupt& interrupt, Net* net);
// Net::Backward likewise.
void RunBackward(const Interrupt& interrupt, Net* net);

}  // namespace crema
