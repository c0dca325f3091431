#include "data/decode_image.h"

#include <opencv2/core.hpp>

#include "crema/base/error.h"
#include "data/image_codecs.h"
#include "data/image_header.h"

namespace crema {

cv::Mat DecodeImage(std::string_view file, int flag, std::string* problem) {
  *problem = ImplausibleSize(file);
  if (!problem->empty()) {
    *problem += "; the image file is damaged";
    return {};
  }
  cv::Mat image;
  std::string reason;
  try {
    if (!file.empty()) {
      const cv::Mat bytes(1, static_cast<int>(file.size()), CV_8UC1,
                          const_cast<char*>(file.data()));
      image = LoadImageCodecs().decode(bytes, flag);
    }
  } catch (const cv::Exception& exception) {  // for example absurd sizes in the file's header
    image.release();
    reason = " (" + exception.err + ")";
  }
  if (image.empty()) {
    *problem = Concat("its ", file.size(), " bytes could not be decoded", reason,
                      "; the image file is damaged or of a kind that OpenCV does not read");
  }
  return image;
}

}  // namespace crema
