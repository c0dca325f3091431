// Finds where a number that is infinite or not a number came from, once there is one.
#pragma once

#include <cstdint>
#include <string>

#include "crema/net.h"

namespace crema {

namespace proto {
class NetParameter;
}

// Passes that a net has just made.
struct PassesMade {
  Net& net;
  const proto::NetParameter& config;  // what the net was made from
  const NetOptions& options;          // and how
  uint64_t first_step = 0, count = 0;
  bool backward = false;  // whether each Forward was followed by Backward
};

// Makes the passes once more, in a net of its own that runs layer by layer: in the first one, later
// blobs may have the memory of earlier ones by now. Returns the first blob, parameter or gradient
// that is not finite, in words; "" if there is none, and if the passes cannot be repeated. Needs
// memory and time, and waits for the device. `weights`, the flat parameters that the net uses, are
// at the end as they were.
std::string FindNonFinite(const PassesMade& passes, const Tensor& weights);

// The first parameter of the net, in the order of its layers, that is not finite, in words; or "".
std::string FindNonFiniteParam(const Net& net);

// The same of the parameters' gradients.
std::string FindNonFiniteGradient(const Net& net);

}  // namespace crema
