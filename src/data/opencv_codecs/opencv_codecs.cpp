// libcrema_image_codecs.so: all of crema that needs OpenCV's imgcodecs. See data/image_codecs.h.
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/image_codecs.h"

namespace {

cv::Mat Decode(const cv::Mat& bytes, int flag) { return cv::imdecode(bytes, flag); }

bool Encode(const std::string& extension, const cv::Mat& image, const std::vector<int>& options,
            std::vector<unsigned char>* bytes) {
  return cv::imencode(extension, image, *bytes, options);
}

}  // namespace

extern "C" const crema::ImageCodecs crema_image_codecs = {Decode, Encode};
