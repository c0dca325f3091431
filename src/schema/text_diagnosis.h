// Explains what is wrong with a protobuf text that could not be read.
#pragma once

#include <string>

namespace google::protobuf {
class Descriptor;
}

namespace crema {

// Groups within groups deeper than this are refused; nets need six or so.
constexpr int kTextRecursionLimit = 32;

// Walks `text` as a message of the given type and throws Error with one sentence for the first
// mistake, beginning `NAME:LINE: `. Returns if it finds none. Any thread may call it.
//
// It repeats the work of protobuf's own text reader, which decides what is accepted, but whose
// messages say neither in which layer the mistake is nor what might have been meant.
void DiagnoseText(const std::string& text, const std::string& name,
                  const google::protobuf::Descriptor* type);

}  // namespace crema
