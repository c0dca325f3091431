// The files that nets read and write, for the commands that run them.
#pragma once

#include <string>
#include <vector>

#include "crema/net.h"

namespace crema {

// What the net's layers read, as they name it: data sets, lists, the files in lists of HDF5 files,
// mean images. Not the images in lists: there may be millions.
std::vector<std::string> FilesReadBy(const Net& net);

// Whether a layer writes files, which a second net beside this one would write anew.
bool WritesFiles(const Net& net);

// Throws Error if a layer would write one of the files, or into one of the folders, that are read.
void CheckWrittenFiles(const Net& net, const std::vector<std::string>& inputs);

// What passes have written gets its name, or is dropped. Throws Error if that fails.
void FinishFiles(const Net& net);
void DropFiles(const Net& net);

}  // namespace crema
