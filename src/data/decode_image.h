// Image files that are already in memory, decoded by OpenCV.
#pragma once

#include <string>
#include <string_view>

namespace cv {
class Mat;
}

namespace crema {

// `flag` is one of OpenCV's, such as cv::IMREAD_COLOR. A header that states more pixels than the
// bytes can hold is refused before memory is taken. Where the file cannot be decoded, returns an
// empty image and says in `problem` why, as in "its 20 bytes could not be decoded; ...".
cv::Mat DecodeImage(std::string_view file, int flag, std::string* problem);

}  // namespace crema
