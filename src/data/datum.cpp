#include "data/datum.h"

#include <climits>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <vector>

#include "base/printable.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "data/decode_image.h"

namespace crema {
namespace {

int ReadFlag(ColorMode color) {
  switch (color) {
    case ColorMode::kAsStored: return cv::IMREAD_UNCHANGED;
    case ColorMode::kColor: return cv::IMREAD_COLOR;
    case ColorMode::kGray: return cv::IMREAD_GRAYSCALE;
  }
  return cv::IMREAD_UNCHANGED;
}

}  // namespace

std::string ImageSize::ToString() const { return Concat(channels, " x ", height, " x ", width); }

std::string NameRecord(const std::string& source_title, const Record& record) {
  return Concat(source_title, ": record ", record.number, " (key '", Printable(record.key), "')");
}

struct DatumDecoder::State {
  ColorMode color;
  std::string title;
  std::shared_ptr<FlawLog> flaws;
  proto::Datum datum;
  cv::Mat decoded;
  Image image;
  bool encoded = false;

  void DecodeImage(const Record& record);
  void CheckValues(const Record& record) const;
};

// A compressed image; `datum.data` is the file.
void DatumDecoder::State::DecodeImage(const Record& record) {
  const std::string& data = datum.data();
  const auto fail = [&](const auto&... parts) {
    Fail(NameRecord(title, record), " is marked as a compressed image, but ", parts...);
  };
  if (data.empty()) fail("it has no data; recreate the database");
  DecodeReport report;
  decoded = crema::DecodeImage(data, ReadFlag(color), &report);
  if (decoded.empty()) fail(report.problem);
  flaws->Add(report.flaw, [&] { return NameRecord(title, record) + " holds an image that"; });
  if (decoded.depth() != CV_8U) {
    fail("its pixels are not bytes (OpenCV depth ", decoded.depth(),
         "); set transform_param { "
         "force_color: true } or { force_gray: true }, or convert the image to 8 bits");
  }
  if (!decoded.isContinuous()) decoded = decoded.clone();
  image.size = {decoded.channels(), decoded.rows, decoded.cols};
  image.bytes = decoded.data;
  image.floats = nullptr;
  image.interleaved = image.size.channels > 1;
}

void DatumDecoder::State::CheckValues(const Record& record) const {
  const ImageSize size = {datum.channels(), datum.height(), datum.width()};
  if (size.channels <= 0 || size.height <= 0 || size.width <= 0) {
    Fail(NameRecord(title, record), " has size ", size.ToString(),
         " (channels x height x width), but each must be at least 1; it was not written by `crema "
         "convert` or Caffe's tools");
  }
  // In parts, since the product of three hostile sizes may not fit.
  const bool bytes = !datum.data().empty();
  const uint64_t found =
      bytes ? datum.data().size() : static_cast<uint64_t>(datum.float_data_size());
  const uint64_t rows = static_cast<uint64_t>(size.channels) * static_cast<uint64_t>(size.height);
  const uint64_t width = static_cast<uint64_t>(size.width);
  if (found % width != 0 || found / width != rows) {
    Fail(NameRecord(title, record), " holds ", found, bytes ? " bytes" : " floats",
         ", which does not match its size ", size.ToString(),
         " (channels x height x width); recreate the database");
  }
}

DatumDecoder::DatumDecoder(ColorMode color, std::string source_title,
                           std::shared_ptr<FlawLog> flaws)
    : state_(std::make_unique<State>()) {
  state_->color = color;
  state_->title = std::move(source_title);
  state_->flaws = std::move(flaws);
}
DatumDecoder::~DatumDecoder() = default;
DatumDecoder::DatumDecoder(DatumDecoder&&) noexcept = default;

bool DatumDecoder::was_encoded() const { return state_->encoded; }

const Image& DatumDecoder::Decode(const Record& record) {
  State& s = *state_;
  if (record.value.size() > INT_MAX ||
      !s.datum.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) {
    Fail(NameRecord(s.title, record),
         " is not a Datum; the database is damaged or was not made by `crema convert` or Caffe's "
         "tools");
  }
  s.encoded = s.datum.encoded();
  s.image.label = s.datum.label();
  if (s.encoded) {
    s.DecodeImage(record);
    return s.image;
  }
  s.CheckValues(record);
  s.image.size = {s.datum.channels(), s.datum.height(), s.datum.width()};
  const bool bytes = !s.datum.data().empty();
  s.image.bytes = bytes ? reinterpret_cast<const uint8_t*>(s.datum.data().data()) : nullptr;
  s.image.floats = bytes ? nullptr : s.datum.float_data().data();
  s.image.interleaved = false;
  return s.image;
}

}  // namespace crema
