// What is known about fields and layer types that only forks of Caffe have.
#pragma once

#include <string>

namespace crema {

// Returns a clause about a field that crema's schema lacks, such as "it comes from SSD", with
// advice where there is some; "" where nothing is known. `message` is the unqualified name of the
// message type that the field was looked for in, such as "PoolingParameter".
std::string ForkOfField(const std::string& message, const std::string& field);

// Returns the name of the fork that has layers of this type, such as "Fast R-CNN"; "" where none
// is known.
std::string ForkOfLayerType(const std::string& type);

}  // namespace crema
