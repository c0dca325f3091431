// The lines of a log, whatever program it went through.
#pragma once

#include <string>
#include <vector>

namespace crema {

// At least one; the last one is empty if the file ends with the end of a line. Lines end with a
// line feed, a carriage return (progress that was written over itself) or both. UTF-16, as
// PowerShell writes it, becomes UTF-8. Left out: byte order marks, and what sets the colours of a
// terminal.
std::vector<std::string> LinesOf(const std::string& bytes);

}  // namespace crema
