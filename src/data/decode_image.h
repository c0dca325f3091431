// Image files that are already in memory, decoded.
#pragma once

#include <string>
#include <string_view>

namespace cv {
class Mat;
}

namespace crema {

// What there is to say about a file.
struct DecodeReport {
  // Why it could not be decoded, as in "its 20 bytes could not be decoded; ..."; else empty.
  std::string problem;
  // What is wrong with it although it could be decoded, as in "is truncated in row 8 of 64; what
  // is missing is grey"; mostly empty.
  std::string flaw;
  // For a truncated file that could be decoded: the file with an end, so that every decoder makes
  // the same image of it.
  std::string mended;
  // Whether a camera noted how it was held; IMREAD_COLOR and IMREAD_GRAYSCALE turn the image then.
  bool turns = false;
};

// `flag` is one of OpenCV's: cv::IMREAD_COLOR, IMREAD_GRAYSCALE or IMREAD_UNCHANGED. JPEG files
// are decoded by libjpeg, others by OpenCV. What image_header.h does not know, and a header that
// states more pixels than the bytes can hold, is refused before memory is taken. Returns an empty
// image where the file cannot be decoded.
//
// Truncated JPEGs give what there is, and grey for what is missing, as Caffe has it; truncated
// files of other kinds cannot be decoded.
cv::Mat DecodeImage(std::string_view file, int flag, DecodeReport* report);

}  // namespace crema
