#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/printable.h"
#include "crema/error.h"
#include "data/image_codecs.h"
#include "plot/drawing.h"

namespace crema {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kFontHeight = 30;  // pixels of a font's size at scale 1
constexpr int kZoom = 2;            // drawn larger, then made smaller: smoother
constexpr int kFraction = 4;        // bits of coordinates below a pixel

cv::Scalar ToScalar(const Color& color) {
  return {1.0 * color.blue, 1.0 * color.green, 1.0 * color.red};
}

cv::Point ToPoint(double x, double y) {
  const double scale = kZoom * (1 << kFraction);
  return {static_cast<int>(std::lround(x * scale)), static_cast<int>(std::lround(y * scale))};
}

int Thickness(double width) { return std::max(1, static_cast<int>(std::lround(width * kZoom))); }

void DrawSegment(std::pair<double, double> from, std::pair<double, double> to, const Pen& pen,
                 cv::Mat* image) {
  cv::line(*image, ToPoint(from.first, from.second), ToPoint(to.first, to.second),
           ToScalar(pen.color), Thickness(pen.width), cv::LINE_AA, kFraction);
}

// Dashes of 6 pixels, 4 apart, which go on around corners.
void DrawDashes(const Polyline& line, cv::Mat* image) {
  constexpr double kDash = 6, kPeriod = 10;
  double along = 0;
  for (size_t i = 1; i < line.points.size(); ++i) {
    const auto [x0, y0] = line.points[i - 1];
    const auto [x1, y1] = line.points[i];
    const double length = std::hypot(x1 - x0, y1 - y0);
    for (double at = 0; at < length;) {
      const double phase = std::fmod(along + at, kPeriod);
      const double end =
          std::min(length, at + std::max(0.01, (phase < kDash ? kDash : kPeriod) - phase));
      const auto place = [&, x0 = x0, y0 = y0, x1 = x1, y1 = y1](double t) {
        return std::make_pair(x0 + (x1 - x0) * t / length, y0 + (y1 - y0) * t / length);
      };
      if (phase < kDash) DrawSegment(place(at), place(end), line.pen, image);
      at = end;
    }
    along += length;
  }
}

void Draw(const Polyline& line, cv::Mat* image) {
  if (line.pen.dashed) return DrawDashes(line, image);
  for (size_t i = 1; i < line.points.size(); ++i) {
    DrawSegment(line.points[i - 1], line.points[i], line.pen, image);
  }
}

// The font has no other letters than those of ASCII.
std::string ToAscii(const std::string& text) {
  std::string ascii;
  for (char c : Printable(text, kWholeText)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;  // the rest of a letter
    ascii += byte < 0x80 ? c : '?';
  }
  return ascii;
}

void Draw(const Text& text, cv::Mat* image) {
  const double scale = text.height / kFontHeight * kZoom;
  const std::string ascii = ToAscii(text.text);
  int below = 0;
  const cv::Size size = cv::getTextSize(ascii, kFont, scale, kZoom, &below);
  const double share = text.anchor == Anchor::kLeft ? 0 : text.anchor == Anchor::kMiddle ? 0.5 : 1;
  const cv::Point origin(static_cast<int>(std::lround(text.x * kZoom - share * size.width)),
                         static_cast<int>(std::lround(text.y * kZoom)));
  cv::putText(*image, ascii, origin, kFont, scale, ToScalar(text.color), kZoom, cv::LINE_AA);
}

}  // namespace

double TextWidth(const std::string& text, double height) {
  int below = 0;
  return cv::getTextSize(ToAscii(text), kFont, height / kFontHeight, 1, &below).width;
}

std::string ToPng(const Drawing& drawing) {
  cv::Mat large(drawing.height * kZoom, drawing.width * kZoom, CV_8UC3, cv::Scalar(255, 255, 255));
  for (const Polyline& line : drawing.lines) Draw(line, &large);
  for (const Text& text : drawing.texts) Draw(text, &large);
  cv::Mat image;
  cv::resize(large, image, {drawing.width, drawing.height}, 0, 0, cv::INTER_AREA);
  std::vector<unsigned char> bytes;
  const bool written =
      LoadImageCodecs().encode(".png", image, {cv::IMWRITE_PNG_COMPRESSION, 9}, &bytes);
  CREMA_CHECK(written, "no PNG writer");
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace crema
