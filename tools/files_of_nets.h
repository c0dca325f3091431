// The files that nets read and write, for the commands that run them.
#pragma once

#include <string>
#include <vector>

#include "crema/net/net.h"

namespace crema {

// What the net's layers read, as they name it: data sets, lists, the files in lists of HDF5 files,
// mean images. Not the images in lists: there may be millions.
std::vector<std::string> FilesReadBy(const Net& net);

}  // namespace crema
