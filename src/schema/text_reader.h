// Reads nets and solvers written as text (`.prototxt`) into their protobuf messages.
#pragma once

#include <string>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace crema {

// Reads a file, or a text, into `out`, whose old content is dropped.
//
// Accepts what Caffe accepts, and fields of other Caffes that change nothing here: those are left
// out, and a sentence about each is returned. Anything else throws Error with one sentence for the
// first mistake, which begins `FILE:LINE: `, `FILE:LINE:COLUMN: ` for one within a word, or
// `FILE: ` if no line can be named, and says in which layer it is, what was found, what was
// expected, and, if that can be guessed, what was meant. `out` is then in an unspecified state. A
// file without any setting is an error; an empty `text` is not. No text in `out`, such as a name,
// has an end of line in it.
//
// Safe on hostile input: depth and size are limited. Any thread may call these.
std::vector<std::string> ReadTextFile(const std::string& path, google::protobuf::Message* out);
std::vector<std::string> ReadText(const std::string& text, const std::string& name_for_errors,
                                  google::protobuf::Message* out);

}  // namespace crema
