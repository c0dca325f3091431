// Text for terminals.
#pragma once

#include <string>

namespace crema {

// Breaks lines at `width`, behind `indent` blanks; lines that begin with a blank stay. Ends with a
// line feed.
std::string Wrap(const std::string& text, size_t indent, size_t width);

// The columns of the terminal that standard output goes to, 80 if they are not known. Without
// limit if it goes elsewhere: what programs read is not to be cut.
size_t OutputWidth();

}  // namespace crema
