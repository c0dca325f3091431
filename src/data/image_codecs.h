// Writing of image files, and reading of all but JPEGs, by OpenCV; loaded when it is first needed:
// its library brings a hundred others along, which take 38 MB and a tenth of a second, and most
// nets never need them.
#pragma once

#include <string>
#include <vector>

namespace cv {
class Mat;
}

namespace crema {

// The functions behave, and throw cv::Exception, as those of OpenCV do. Any thread may call them.
struct ImageCodecs {
  cv::Mat (*decode)(const cv::Mat& bytes, int flag);
  // `extension`: ".png". False: there is no writer for it. `options`: pairs of cv::IMWRITE_....
  bool (*encode)(const std::string& extension, const cv::Mat& image,
                 const std::vector<int>& options, std::vector<unsigned char>* bytes);
};

// Loads libcrema_image_codecs.so at the first call: from the folder of libcrema.so, or from where
// the system looks. Throws Error where it is not there or cannot be loaded.
const ImageCodecs& LoadImageCodecs();

}  // namespace crema
