// The parameters of a net as a solver sees them: segments of flat buffers.
#pragma once

#include <string>
#include <vector>

#include "crema/net.h"
#include "solvers/param_table.h"

namespace crema {

// Views: they share the net's memory. Two flat buffers in which every parameter begins at a
// multiple of kParamBlock elements, see tensor/param_block.h.
struct FlatParams {
  Tensor weights, gradients;  // `gradients` has no elements if nothing learns
  // By parameter, in the order of the buffers. Parameters that have no gradient have lr_mult 0.
  std::vector<ParamSegment> segments;
  std::vector<Shape> shapes;
};

// All parameters that the net owns. One that several layers share is there once.
FlatParams FlatParamsOf(const Net& net);

// Parameter `i` in `flat`, a buffer that is arranged as `params.weights`: a view of that shape.
Tensor ParamIn(const Tensor& flat, const FlatParams& params, size_t i);

// For reading a state: it has something for each parameter, or for none. Throws Error, naming
// `path`, if it has `saved` entries instead; `what` says of what, as in "the trained weights".
void CheckSavedCount(const std::string& path, int saved, const std::string& what,
                     const FlatParams& params);

}  // namespace crema
