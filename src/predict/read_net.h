// The net that a predictor is to run, as text files and options describe it.
#pragma once

#include <memory>
#include <string>

#include "crema/predictor.h"

namespace crema {

namespace proto {
class NetParameter;
}

// Reads a net in any format and returns it in the present one, in phase TEST and as the options
// want it. Tells options.log what was changed. Throws Error if the file cannot be read, or if the
// net has no inputs.
std::shared_ptr<const proto::NetParameter> ReadNetToRun(const std::string& path,
                                                        const PredictorOptions& options);

}  // namespace crema
