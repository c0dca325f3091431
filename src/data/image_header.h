// What image files say of themselves, looked at before a library takes memory for them.
#pragma once

#include <string>
#include <string_view>

namespace crema {

// The kinds of image file that are read, as in "JPEG, PNG ... or WebP": those whose headers say how
// many pixels they have, so that a small file cannot claim gigabytes.
constexpr char kImageKinds[] = "JPEG, PNG, BMP, TIFF, WebP, PBM, PGM, PPM or Sun raster";

// Returns "" where the file begins as one of these kinds does. Otherwise what it is and what to do,
// as in "it is a GIF image, which is not read; convert it to PNG".
std::string UnreadKind(std::string_view file);

// For files of these kinds. Returns "" if the size is credible, or if the header is cut off, which
// decoders notice. Otherwise what is wrong and what to do, as in "its header claims 60000 x 60000
// pixels, far more than 200 bytes can hold; the image file is damaged".
std::string ImplausibleSize(std::string_view file);

// TIFFs may say that a strip has more rows than the image, which is a way to say "all rows". OpenCV
// would take memory for them. Returns the file with the image's own number of rows; "" if nothing
// has to be changed.
std::string WithRowsThatFit(std::string_view file);

}  // namespace crema
