// Refuses values that can be read, but that no net and no solver can mean.
#pragma once

#include <google/protobuf/text_format.h>

#include <string>

namespace crema {

// Throws Error, with the file `name`, the line where `places` has it, and the layer, if in
// `message`, or in a group in it,
// - a text has an end of line, such as a name of a layer or of a file: in a log, it could pass for
//   a line of its own;
// - a number is not finite, or was too large for its 32 bits. A Clip layer's bounds may be
//   infinite, and values of blobs are not looked at.
void CheckValues(const google::protobuf::Message& message,
                 const google::protobuf::TextFormat::ParseInfoTree& places,
                 const std::string& name);

}  // namespace crema
