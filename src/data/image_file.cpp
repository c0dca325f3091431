#include "data/image_file.h"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "crema/error.h"
#include "data/decode_image.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

// OpenCV's memory may run out.
void Resize(const cv::Mat& from, int height, int width, const std::string& failure, cv::Mat* to) {
  try {
    cv::resize(from, *to, cv::Size(width, height));
  } catch (const cv::Exception& exception) {
    Fail(failure, ": it cannot be brought to ", height, " x ", width, " pixels (", exception.err,
         "); use a smaller size");
  }
}

}  // namespace

struct ImageFileDecoder::State {
  int flag = cv::IMREAD_COLOR;
  int height = 0, width = 0;
  cv::Mat decoded, resized;
  Image image;
  std::shared_ptr<FlawLog> flaws;
};

ImageFileDecoder::ImageFileDecoder(ColorMode color, int height, int width,
                                   std::shared_ptr<FlawLog> flaws)
    : state_(std::make_unique<State>()) {
  state_->flaws = std::move(flaws);
  state_->flag = color == ColorMode::kGray ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR;
  state_->height = height;
  state_->width = width;
}
ImageFileDecoder::~ImageFileDecoder() = default;
ImageFileDecoder::ImageFileDecoder(ImageFileDecoder&&) noexcept = default;

const Image& ImageFileDecoder::Read(const std::string& path, const std::string& where) {
  std::string why;
  const Descriptor file = TryOpenForReading(path, Accept::kFile, &why);
  if (!file.ok()) {
    Fail(where, ": the image ", path, " ", why, "; correct its path or root_folder");
  }
  std::string flaw;
  const Image& image =
      Decode(ReadFileBytes(file, path), Concat(where, ": cannot decode the image ", path), &flaw);
  state_->flaws->Add(flaw, [&] { return where + ": the image " + path; });
  return image;
}

const Image& ImageFileDecoder::Decode(std::string_view file, const std::string& failure,
                                      std::string* flaw) {
  State& s = *state_;
  DecodeReport report;
  s.decoded = DecodeImage(file, s.flag, &report);
  if (s.decoded.empty()) Fail(failure, ": ", report.problem);
  *flaw = report.flaw;
  if (s.height > 0 && s.width > 0) {
    Resize(s.decoded, s.height, s.width, failure, &s.resized);
  } else {
    s.resized = s.decoded;
  }
  if (!s.resized.isContinuous()) s.resized = s.resized.clone();
  s.image.size = {s.resized.channels(), s.resized.rows, s.resized.cols};
  s.image.bytes = s.resized.data;
  s.image.interleaved = s.resized.channels() > 1;
  return s.image;
}

}  // namespace crema
