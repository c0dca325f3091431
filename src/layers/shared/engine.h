// The `engine` fields of the schema.
#pragma once

#include <string>

namespace crema {

// `engine` is the value of a layer's Engine field: 0 DEFAULT, 1 CAFFE, 2 CUDNN, alike for all
// layers. Throws Error, beginning with `title`, where this build does not have the engine.
void RequireEngine(int engine, const std::string& title);

}  // namespace crema
