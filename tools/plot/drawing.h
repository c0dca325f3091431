// A picture of lines and words, and two ways to put it into a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crema {

struct Color {
  uint8_t red, green, blue;
};

enum class Anchor { kLeft, kMiddle, kRight };

// Coordinates are pixels from the upper left corner, y downwards.
struct Pen {
  Color color;
  double width = 1;
  bool dashed = false;
};

struct Polyline {
  std::vector<std::pair<double, double>> points;
  Pen pen;
};

struct Text {
  double x, y;  // of the baseline, at the anchor
  std::string text;
  double height;  // of a capital letter with its surroundings: the font's size
  Anchor anchor;
  Color color;
};

// White where nothing is drawn; later lines are over earlier ones, words over lines.
struct Drawing {
  int width = 0, height = 0;
  std::vector<Polyline> lines;
  std::vector<Text> texts;
};

// How wide a text may become, in pixels: no less than in either form of file.
double TextWidth(const std::string& text, double height);

// The content of a file.
std::string ToSvg(const Drawing& drawing);
// Letters beyond ASCII become '?'.
std::string ToPng(const Drawing& drawing);

}  // namespace crema
