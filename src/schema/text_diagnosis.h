// Explains what is wrong with a protobuf text that could not be read.
#pragma once

#include <string>
#include <vector>

namespace google::protobuf {
class Descriptor;
}

namespace crema {

// Groups within groups deeper than this are refused; nets need six or so.
constexpr int kTextRecursionLimit = 32;

// A text as protobuf reads it, its lines where they were: without the fields of other Caffes that
// change nothing here, and with the full names of plug-ins' options, in brackets.
struct CleanedText {
  std::string text;
  std::vector<std::string> notes;  // a sentence about each field that was left out
  bool differs = false;            // whether anything was changed
};

// Walks `text` as a message of the given type and throws Error with one sentence for the first
// mistake, beginning `NAME:LINE: ` or `NAME:LINE:COLUMN: `. Any thread may call it.
//
// It repeats the work of protobuf's own text reader, which decides what is accepted, but whose
// messages say neither in which layer the mistake is nor what might have been meant.
CleanedText DiagnoseText(const std::string& text, const std::string& name,
                         const google::protobuf::Descriptor* type);

}  // namespace crema
