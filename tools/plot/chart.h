// Lays out panels of curves with axes, ticks and a legend.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plot/drawing.h"

namespace crema {

struct Series {
  int color;  // index of a run: it has the same colour in all panels
  bool dashed = false;
  bool faint = false;                             // behind a smoothed one
  std::vector<std::pair<double, double>> points;  // x ascends; values that are not finite make gaps
};

// How the numbers of the x axis are said.
enum class XUnit { kIterations, kTime };

struct Panel {
  std::string title;
  std::vector<Series> series;
};

struct Figure {
  XUnit x_unit = XUnit::kIterations;
  std::vector<Panel> panels;
  std::vector<std::string> runs;  // names for the legend, by colour
  std::string note;               // below the legend; may be ""
};

// The y axis of a panel is logarithmic where all values are positive and span a factor of 20.
// Seconds of an x axis of time are shown in minutes or hours where that is better.
Drawing LayOut(const Figure& figure);

// Round numbers within [low, high], about `count` of them.
std::vector<double> LinearTicks(double low, double high, int count);

}  // namespace crema
