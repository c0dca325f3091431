// Whether a file that is to be written is one that is read.
#pragma once

#include <string>
#include <vector>

namespace crema {

// Throws Error if writing `output` would change one of `inputs`, which are files, and folders such
// as databases: if it is one of the files, by whatever link or name, or lies in one of the folders.
// What is neither a file nor a folder, such as a pipe or a terminal, may be written and read.
void CheckIsNoInput(const std::string& output, const std::vector<std::string>& inputs);

}  // namespace crema
