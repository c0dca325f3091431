// Lays out panels of curves with axes, ticks and a legend.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plot/drawing.h"

namespace crema {

using Points = std::vector<std::pair<double, double>>;

struct Series {
  int color;  // index of a run: it has the same colour in all panels
  bool dashed = false;
  bool faint = false;  // behind a smoothed one
  Points points;       // x never descends; values that are not finite make gaps
};

// How the numbers of the x axis are said.
enum class XUnit { kIterations, kTime };

struct Panel {
  std::string title;
  std::vector<Series> series;
  // Values below this are cut off at the frame; the axis begins there.
  std::optional<double> low = std::nullopt;
};

struct Figure {
  XUnit x_unit = XUnit::kIterations;
  std::vector<Panel> panels;
  std::vector<std::string> runs;  // names for the legend, by colour; "" is left out
  std::string note;               // below the legend; may be ""
};

// Two panels to a row; a last one alone has a row for itself. The y axis of a panel is logarithmic
// if all values are positive and span a factor of 20. Seconds of an x axis of time are shown in
// minutes or hours if that is better.
Drawing LayOut(const Figure& figure);

// Round numbers within [low, high], about `count` of them.
std::vector<double> LinearTicks(double low, double high, int count);

// The ticks of one axis in one style: as many digits behind the point for all, or thousands (k) or
// millions (M) for all, or powers of ten for all.
std::vector<std::string> TickLabels(const std::vector<double>& ticks, bool logarithmic);

}  // namespace crema
