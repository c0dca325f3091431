#include "data/decode_image.h"

#include <opencv2/core.hpp>

#include "crema/error.h"
#include "data/image_codecs.h"
#include "data/image_header.h"
#include "data/jpeg.h"

namespace crema {
namespace {

std::string NotDecoded(std::string_view file, const std::string& reason) {
  return Concat("its ", file.size(), " bytes could not be decoded", reason,
                "; the image file is truncated, damaged or in a format that OpenCV does not read");
}

cv::Mat DecodeByOpenCv(std::string_view file, int flag, DecodeReport* report) {
  const std::string corrected = WithRowsThatFit(file);
  const std::string_view read = corrected.empty() ? file : corrected;
  const cv::Mat bytes(1, static_cast<int>(read.size()), CV_8UC1, const_cast<char*>(read.data()));
  const cv::Mat image = LoadImageCodecs().decode(bytes, flag);
  if (image.empty()) report->problem = NotDecoded(file, "");
  return image;
}

}  // namespace

cv::Mat DecodeImage(std::string_view file, int flag, DecodeReport* report) {
  *report = {};
  report->problem = UnreadKind(file);
  if (!report->problem.empty()) return {};
  report->problem = ImplausibleSize(file);
  if (!report->problem.empty()) return {};
  try {
    return IsJpeg(file) ? DecodeJpeg(file, flag, report) : DecodeByOpenCv(file, flag, report);
  } catch (const cv::Exception& exception) {  // for example absurd sizes in the file's header
    report->problem = NotDecoded(file, " (" + exception.err + ")");
    return {};
  }
}

}  // namespace crema
