// Refuses texts with ends of lines in them: in a log, a name could pass for a line of its own.
#pragma once

#include <google/protobuf/text_format.h>

#include <string>

namespace crema {

// Throws Error, beginning with `name` and the line where `places` has it, if a text in `message`,
// or in a group in it, has an end of line: a name of a layer, for example, or of a file.
void CheckLineEnds(const google::protobuf::Message& message,
                   const google::protobuf::TextFormat::ParseInfoTree& places,
                   const std::string& name);

}  // namespace crema
