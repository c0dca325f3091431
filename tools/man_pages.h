// The manual of the command line as man pages, made from the commands and their flags.
#pragma once

#include <string>

namespace crema {

// Writes crema.1, and crema-NAME.1 for each command, into a folder that exists. What they say
// depends on the program alone. Throws Error if a file cannot be written.
void WriteManPages(const std::string& folder);

}  // namespace crema
