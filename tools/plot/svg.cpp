#include <cstdio>

#include "base/printable.h"
#include "crema/error.h"
#include "plot/drawing.h"

namespace crema {
namespace {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string Hex(const Color& color) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", color.red, color.green, color.blue);
  return text;
}

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (char c : Printable(text, kWholeText)) {  // XML knows no control characters
    if (c == '&')
      escaped += "&amp;";
    else if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else
      escaped += c;
  }
  return escaped;
}

std::string ToSvg(const Polyline& line) {
  std::string points;
  for (const auto& [x, y] : line.points) {
    points += (points.empty() ? "" : " ") + Number(x) + "," + Number(y);
  }
  return "<polyline points=\"" + points + "\" stroke=\"" + Hex(line.pen.color) +
         "\" stroke-width=\"" + Number(line.pen.width) + "\"" +
         (line.pen.dashed ? " stroke-dasharray=\"6,4\"" : "") + "/>\n";
}

std::string ToSvg(const Text& text) {
  const char* anchor = text.anchor == Anchor::kLeft     ? "start"
                       : text.anchor == Anchor::kMiddle ? "middle"
                                                        : "end";
  return "<text x=\"" + Number(text.x) + "\" y=\"" + Number(text.y) + "\" font-size=\"" +
         Number(text.height) + "\" text-anchor=\"" + anchor + "\" fill=\"" + Hex(text.color) +
         "\">" + Escaped(text.text) + "</text>\n";
}

}  // namespace

std::string ToSvg(const Drawing& drawing) {
  std::string svg =
      Concat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", drawing.width, "\" height=\"",
             drawing.height, "\" viewBox=\"0 0 ", drawing.width, " ", drawing.height,
             "\">\n<rect width=\"100%\" height=\"100%\" "
             "fill=\"white\"/>\n<g fill=\"none\" stroke-linejoin=\"round\">\n");
  for (const Polyline& line : drawing.lines) svg += ToSvg(line);
  svg += "</g>\n<g font-family=\"Helvetica, Arial, sans-serif\">\n";
  for (const Text& text : drawing.texts) svg += ToSvg(text);
  return svg + "</g>\n</svg>\n";
}

}  // namespace crema
