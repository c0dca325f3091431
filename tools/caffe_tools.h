// What stands in for Caffe's other programs and scripts.
#pragma once

#include <string>
#include <vector>

namespace crema {

// "convert_imageset", ...
std::vector<std::string> CaffeToolNames();

// What to use instead of the program or script of that name, with or without .bin, .py or .sh; ""
// where Caffe has none of that name.
std::string InsteadOfCaffeTool(const std::string& name);

}  // namespace crema
