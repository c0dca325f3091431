// Standard input, output and error.
#pragma once

namespace crema {

// Opens /dev/null for each of them that is closed. A file that is opened later would get its number
// otherwise, and the log would go into the file. Writing to what was closed is still an error.
void OpenStandardStreams();

}  // namespace crema
