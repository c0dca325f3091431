// Finds compressed images whose header states a size that their bytes cannot hold, before a
// library takes memory for it.
#pragma once

#include <string>
#include <string_view>

namespace crema {

// Returns "" where the size is credible, where the file is of a kind that this does not know (it
// knows JPEG, PNG, BMP, PNM, TIFF and WebP), or where its header is cut off, which decoders notice.
// Otherwise what is wrong, as in "its header says 60000 x 60000 pixels, far more than its 200 bytes
// can hold".
std::string ImplausibleSize(std::string_view file);

}  // namespace crema
