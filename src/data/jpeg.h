// JPEG files in memory, decoded by libjpeg-turbo.
#pragma once

#include <string_view>

#include "data/decode_image.h"

namespace crema {

// Whether it begins as a JPEG file does; it may be damaged all the same.
bool IsJpeg(std::string_view file);

// As DecodeImage. The pixels are those of cv::imread, which reads files through the same library.
// cv::imdecode does so, too, for whole files; what it makes of truncated ones depends on OpenCV's
// version: rows repeated, memory as it was, or nothing.
cv::Mat DecodeJpeg(std::string_view file, int flag, DecodeReport* report);

}  // namespace crema
