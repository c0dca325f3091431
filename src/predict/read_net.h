// The net that a predictor is to run, as text files and options describe it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "crema/predictor.h"
#include "crema/shape.h"

namespace crema {

namespace proto {
class NetParameter;
}

// Reads a net in any format and returns it in the present one, in phase TEST and as the options
// want it. Tells options.log what was changed. Throws Error if the file cannot be read, or if the
// net has no inputs.
std::shared_ptr<const proto::NetParameter> ReadNetToRun(const std::string& path,
                                                        const PredictorOptions& options);

// Gives the tops of the Input layers these shapes, by name. A layer that makes others too stays as
// it is: the net's state leaves it out.
void SetInputShapes(const std::map<std::string, Shape>& shapes, proto::NetParameter* net);

}  // namespace crema
