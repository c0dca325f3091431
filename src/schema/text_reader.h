// Reads nets and solvers written as text (`.prototxt`) into their protobuf messages.
#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace crema {

// Reads a file, or a text, into `out`, whose old content is dropped.
//
// Accepts what Caffe accepts. Anything else throws Error with one sentence for the first mistake,
// which begins `FILE:LINE: ` (or `FILE: `, where no line can be named) and says in which layer it
// is, what was found, what was expected, and, where that can be guessed, what was meant. `out` is
// then in an unspecified state. A file without any setting is an error; an empty `text` is not.
//
// Safe on hostile input: depth and size are limited. Any thread may call these.
void ReadTextFile(const std::string& path, google::protobuf::Message* out);
void ReadText(const std::string& text, const std::string& name_for_errors,
              google::protobuf::Message* out);

}  // namespace crema
