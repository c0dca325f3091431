#include "data/image_record.h"

#include <algorithm>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "base/counted.h"
#include "base/numbers.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "data/decode_image.h"
#include "data/image_codecs.h"
#include "data/jpeg.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

int WantedType(const ConvertImageOptions& options) { return options.gray ? CV_8UC1 : CV_8UC3; }

// Channel by channel, as a Datum holds pixels.
std::string Planes(const cv::Mat& image, bool rgb) {
  std::string planes(image.total() * static_cast<size_t>(image.channels()), '\0');
  std::vector<cv::Mat> parts;
  for (int c = 0; c < image.channels(); ++c) {
    parts.emplace_back(image.rows, image.cols, CV_8UC1,
                       &planes[static_cast<size_t>(c) * image.total()]);
  }
  if (rgb) std::reverse(parts.begin(), parts.end());
  cv::split(image, parts);
  return planes;
}

// The type that a file has, whatever its name says.
std::string TypeOf(std::string_view bytes, const std::string& path) {
  const auto has = [&](size_t at, std::string_view text) {
    return bytes.size() > at && bytes.substr(at, text.size()) == text;
  };
  if (IsJpeg(bytes)) return "jpg";
  if (has(0, "\x89PNG")) return "png";
  if (has(0, "BM")) return "bmp";
  if (has(0, "RIFF") && has(8, "WEBP")) return "webp";
  if (has(0, std::string_view("II*\0", 4)) || has(0, std::string_view("MM\0*", 4))) return "tif";
  return ImageType(path);
}

// An image file's bytes, and what is made of them.
struct Source {
  std::string bytes;
  cv::Mat image;
  bool as_stored = false;  // `image` is what training decodes `bytes` to
  std::string flaw;
};

bool AreEqual(const cv::Mat& a, const cv::Mat& b) {
  return a.type() == b.type() && a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

// Training decodes stored files as they are: grey to one channel, and without turning them.
Source ReadSource(const std::string& path, const ConvertImageOptions& options) {
  Source source;
  source.bytes = ReadFileBytes(path, Accept::kFile);
  if (source.bytes.empty()) Fail("is empty");
  DecodeReport report;
  cv::Mat stored;
  if (options.encodes()) {
    stored = DecodeImage(source.bytes, cv::IMREAD_UNCHANGED, &report);
    source.as_stored =
        IsJpeg(source.bytes) && stored.type() == WantedType(options) && !report.turns;
  }
  if (source.as_stored) {
    source.image = stored;
  } else {
    const int flag = options.gray ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR;
    source.image = DecodeImage(source.bytes, flag, &report);
    source.as_stored = !source.image.empty() && AreEqual(stored, source.image);
  }
  if (source.image.empty()) {
    Fail("cannot be decoded: ", report.problem);
  }
  if (!report.mended.empty()) source.bytes = std::move(report.mended);
  source.flaw = std::move(report.flaw);
  return source;
}

// Not every type can hold every number of channels; some hold grey images in colour.
std::string EncodeAs(const std::string& type, const cv::Mat& image) {
  std::vector<unsigned char> encoded;
  std::string file;
  try {
    if (LoadImageCodecs().encode("." + type, image, {}, &encoded)) {
      file.assign(encoded.begin(), encoded.end());
    }
  } catch (const cv::Exception&) {  // no such type, or not of such images
  }
  if (file.empty()) {
    Fail("cannot be stored as '", type, "'; use another --encode_type, such as jpg or png");
  }
  DecodeReport report;
  const cv::Mat stored = DecodeImage(file, cv::IMREAD_UNCHANGED, &report);
  if (stored.type() != image.type() || stored.size() != image.size()) {
    Fail("cannot be stored as '", type, "' with ", Counted(image.channels(), "channel"),
         "; use another --encode_type, such as jpg or png");
  }
  return file;
}

// The bytes of a file of the wanted type: those of the source if it fits.
std::string FileOf(const std::string& path, Source source, const ConvertImageOptions& options) {
  const std::string type = TypeOf(source.bytes, path);
  const std::string wanted =
      options.encode_type.empty() ? type : ImageType("x." + options.encode_type);
  if (wanted.empty()) Fail("has an unknown file type; set --encode_type");
  const bool keeps = wanted == type && source.as_stored && options.resize_height == 0;
  return keeps ? std::move(source.bytes) : EncodeAs(wanted, source.image);
}

}  // namespace

std::string ImageType(const std::string& path) {
  std::string type = LowerCase(std::filesystem::path(path).extension().string());
  if (!type.empty()) type.erase(0, 1);
  return type == "jpeg" ? "jpg" : type == "tiff" ? "tif" : type;
}

ImageRecord MakeImageRecord(const std::string& path, int label,
                            const ConvertImageOptions& options) {
  Source source = ReadSource(path, options);
  if (options.resize_height > 0) {
    cv::Mat resized;
    cv::resize(source.image, resized, cv::Size(options.resize_width, options.resize_height));
    source.image = resized;
  }
  const cv::Mat image = source.image;
  ImageRecord record;
  record.size = {image.channels(), image.rows, image.cols};
  record.flaw = source.flaw;
  proto::Datum datum;
  datum.set_channels(image.channels());
  datum.set_height(image.rows);
  datum.set_width(image.cols);
  datum.set_label(label);
  if (options.encodes()) {
    datum.set_encoded(true);
    datum.set_data(FileOf(path, std::move(source), options));
  } else {
    datum.set_data(Planes(image, options.rgb));
  }
  record.value = datum.SerializeAsString();
  return record;
}

}  // namespace crema
