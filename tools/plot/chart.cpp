#include "plot/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "crema/error.h"

namespace crema {
namespace {

constexpr Color kBlack{40, 40, 40}, kGrid{225, 225, 225}, kFrame{120, 120, 120};
// Colours that differ for colour-blind eyes, too (Okabe and Ito, 2008), without the yellow.
constexpr Color kColors[] = {{0, 114, 178},  {213, 94, 0},  {0, 158, 115}, {204, 121, 167},
                             {86, 180, 233}, {230, 159, 0}, {90, 90, 90}};
constexpr int kPanelWidth = 520, kPanelHeight = 300;
constexpr int kLeft = 74, kRight = 18, kTop = 34, kBottom = 48;  // around a panel's frame
constexpr int kLegendLine = 22, kMargin = 12;
constexpr double kTitleHeight = 16, kTextHeight = 13;

Color ColorOf(const Series& series) {
  const Color color = kColors[series.color % (sizeof kColors / sizeof kColors[0])];
  if (!series.faint) return color;
  const auto pale = [](uint8_t c) { return static_cast<uint8_t>(255 - (255 - c) * 0.35); };
  return {pale(color.red), pale(color.green), pale(color.blue)};
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// One axis: from values to pixels, and where its ticks are.
class Axis {
 public:
  Axis(Range range, bool logarithmic, double from, double to)
      : logarithmic_(logarithmic), from_(from), to_(to) {
    if (range.empty()) range = {0, 1};
    low_ = logarithmic ? std::log10(range.low) : range.low;
    high_ = logarithmic ? std::log10(range.high) : range.high;
  }

  // Room beside the outermost values, so that a flat curve is not on the frame.
  void Widen() {
    const double room =
        high_ > low_ ? 0.05 * (high_ - low_) : std::max(1e-12, 0.1 * std::fabs(low_));
    low_ -= room;
    high_ += room;
  }
  double low() const { return logarithmic_ ? std::pow(10, low_) : low_; }
  double Place(double value) const {
    const double v = logarithmic_ ? std::log10(value) : value;
    return from_ + (to_ - from_) * (high_ > low_ ? (v - low_) / (high_ - low_) : 0.5);
  }
  std::vector<double> Ticks(int count) const {
    return logarithmic_ ? LogTicks() : LinearTicks(low_, high_, count);
  }

 private:
  // Powers of ten; where there are few, also their double and fivefold.
  std::vector<double> LogTicks() const {
    std::vector<double> ticks;
    const int step = std::max(1, static_cast<int>(std::ceil((high_ - low_) / 6)));
    for (int e = static_cast<int>(std::floor(low_)); e <= high_; ++e) {
      for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor > 1 && high_ - low_ > 2.5) continue;
        const double place = e + std::log10(factor);
        if (e % step == 0 && place >= low_ && place <= high_) ticks.push_back(std::pow(10, place));
      }
    }
    return ticks;
  }

  bool logarithmic_;
  double from_, to_, low_, high_;
};

struct TimeUnit {
  double seconds;
  const char* name;
};

TimeUnit ChooseTimeUnit(double longest) {
  if (longest > 3 * 3600) return {3600, "hours"};
  if (longest > 180) return {60, "minutes"};
  return {1, "seconds"};
}

class PanelDrawer {
 public:
  PanelDrawer(const Panel& panel, Range x, const std::string& x_label, double left, double top,
              double width, Drawing* out)
      : panel_(panel),
        x_label_(x_label),
        left_(left + kLeft),
        top_(top + kTop),
        right_(left + width - kRight),
        bottom_(top + kPanelHeight - kBottom),
        out_(out),
        y_range_(RangeOfValues()),
        logarithmic_(SpansMuch(y_range_)),
        x_(x, false, left_, right_),
        y_(y_range_, logarithmic_, bottom_, top_) {
    y_.Widen();
  }

  void DrawAll() {
    DrawGrid();
    for (const Series& series : panel_.series) {
      if (series.faint) DrawSeries(series);
    }
    for (const Series& series : panel_.series) {
      if (!series.faint) DrawSeries(series);
    }
    const std::string scale = logarithmic_ ? " (log scale)" : "";
    AddText(left_, top_ - 10, panel_.title + scale, kTitleHeight, Anchor::kLeft);
    AddText((left_ + right_) / 2, bottom_ + 38, x_label_, kTextHeight, Anchor::kMiddle);
    if (y_range_.empty()) {
      AddText((left_ + right_) / 2, (top_ + bottom_) / 2, "no finite values", kTextHeight,
              Anchor::kMiddle);
    }
  }

 private:
  Range RangeOfValues() const {
    Range range;
    for (const Series& series : panel_.series) {
      for (const auto& point : series.points) {
        if (!std::isfinite(point.second)) continue;
        range.Include(panel_.low.has_value() ? std::max(*panel_.low, point.second) : point.second);
      }
    }
    return range;
  }
  static bool SpansMuch(const Range& range) {
    return !range.empty() && range.low > 0 && range.high / range.low >= 20;
  }
  void AddText(double x, double y, const std::string& text, double height, Anchor anchor) {
    out_->texts.push_back({x, y, text, height, anchor, kBlack});
  }
  void AddLine(double x0, double y0, double x1, double y1, Color color) {
    out_->lines.push_back({{{x0, y0}, {x1, y1}}, {color, 1, false}});
  }
  void DrawGrid() {
    const std::vector<double> x_ticks = x_.Ticks(6), y_ticks = y_.Ticks(6);
    const std::vector<std::string> x_labels = TickLabels(x_ticks, false);
    const std::vector<std::string> y_labels = TickLabels(y_ticks, logarithmic_);
    for (size_t i = 0; i < x_ticks.size(); ++i) {
      const double x = x_.Place(x_ticks[i]);
      AddLine(x, top_, x, bottom_, kGrid);
      AddText(x, bottom_ + 18, x_labels[i], kTextHeight, Anchor::kMiddle);
    }
    for (size_t i = 0; i < y_ticks.size(); ++i) {
      const double y = y_.Place(y_ticks[i]);
      AddLine(left_, y, right_, y, kGrid);
      AddText(left_ - 7, y + 4, y_labels[i], kTextHeight, Anchor::kRight);
    }
    out_->lines.push_back(
        {{{left_, top_}, {right_, top_}, {right_, bottom_}, {left_, bottom_}, {left_, top_}},
         {kFrame, 1, false}});
  }
  void DrawSeries(const Series& series) {
    const Pen pen{ColorOf(series), series.faint ? 1.0 : 1.6, series.dashed};
    Polyline line{{}, pen};
    const auto finish = [&] {
      if (line.points.size() == 1) {  // a point alone would not be seen
        const auto [x, y] = line.points[0];
        line.points = {{x - 2, y}, {x + 2, y}};
        line.pen.width = 4;
        line.pen.dashed = false;
      }
      if (!line.points.empty()) out_->lines.push_back(line);
      line = {{}, pen};
    };
    for (const auto& [x, y] : AboveFrame(series.points)) {
      if (std::isfinite(y)) {
        line.points.emplace_back(x_.Place(x), y_.Place(y));
      } else {
        finish();
      }
    }
    finish();
  }
  // Without what lies below the axis: a line that goes there ends at the frame.
  Points AboveFrame(const Points& points) const {
    if (!panel_.low.has_value()) return points;
    const double low = y_.low(), gap = std::numeric_limits<double>::quiet_NaN();
    Points above;
    for (size_t i = 0; i < points.size(); ++i) {
      const auto [x, y] = points[i];
      const bool is_below = y < low;
      if (i > 0 && std::isfinite(y) && std::isfinite(points[i - 1].second) &&
          is_below != (points[i - 1].second < low)) {
        const auto [x0, y0] = points[i - 1];
        above.emplace_back(x0 + (x - x0) * (low - y0) / (y - y0), low);
      }
      above.emplace_back(x, is_below ? gap : y);
    }
    return above;
  }

  const Panel& panel_;
  const std::string& x_label_;
  double left_, top_, right_, bottom_;
  Drawing* out_;
  Range y_range_;
  bool logarithmic_;
  Axis x_, y_;
};

// A legend must not make the picture as wide as a name is long.
std::string Shortened(const std::string& name) {
  constexpr size_t kMost = 120, kEnd = 60;
  if (name.size() <= kMost) return name;
  const auto is_inside_letter = [&](size_t at) { return (name[at] & 0xC0) == 0x80; };
  size_t cut = kMost - kEnd, go_on = name.size() - kEnd;
  while (cut > 0 && is_inside_letter(cut)) --cut;
  while (go_on < name.size() && is_inside_letter(go_on)) ++go_on;
  return name.substr(0, cut) + "..." + name.substr(go_on);
}

// Adds the names of the runs from `top` on, as many to a line as fit. Returns where they end.
double DrawLegend(const Figure& figure, double top, Drawing* out) {
  constexpr double kSample = 26, kGap = 24;
  double x = kMargin, y = top;
  for (size_t i = 0; i < figure.runs.size(); ++i) {
    if (figure.runs[i].empty()) continue;
    const std::string name = Shortened(figure.runs[i]);
    const double width = kSample + 8 + TextWidth(name, kTextHeight) + kGap;
    if (x > kMargin && x + width > out->width) {
      x = kMargin;
      y += kLegendLine;
    }
    const Color color = ColorOf({static_cast<int>(i), false, false, {}});
    out->lines.push_back({{{x, y + 11}, {x + kSample, y + 11}}, {color, 3, false}});
    out->texts.push_back({x + kSample + 8, y + 16, name, kTextHeight, Anchor::kLeft, kBlack});
    x += width;
  }
  y += figure.runs.empty() ? 0 : kLegendLine;
  if (figure.note.empty()) return y;
  out->texts.push_back({kMargin, y + 16, figure.note, kTextHeight, Anchor::kLeft, kBlack});
  return y + kLegendLine;
}

double WidestLegend(const Figure& figure) {
  double width = TextWidth(figure.note, kTextHeight);
  for (const std::string& run : figure.runs)
    width = std::max(width, 34 + TextWidth(Shortened(run), kTextHeight));
  return width + 2 * kMargin;
}

// The panels' points with x in the unit that is shown.
Panel InUnit(Panel panel, double unit) {
  for (Series& series : panel.series) {
    for (auto& point : series.points) point.first /= unit;
  }
  return panel;
}

std::vector<std::string> Labels(const std::vector<double>& ticks, double unit, const char* suffix,
                                const char* format, int digits) {
  std::vector<std::string> labels;
  for (const double tick : ticks) {
    char text[64];
    std::snprintf(text, sizeof text, format, digits, tick / unit);
    labels.push_back(tick == 0 ? "0" : std::string(text) + suffix);
  }
  return labels;
}

int PlaceOf(double value) { return static_cast<int>(std::floor(std::log10(value) + 1e-9)); }

Range RangeOfX(const Figure& figure) {
  Range range;
  for (const Panel& panel : figure.panels) {
    for (const Series& series : panel.series) {
      for (const auto& point : series.points) range.Include(point.first);
    }
  }
  if (range.empty()) return {0, 1};
  return range.high > range.low ? range : Range{range.low, range.low + 1};
}

}  // namespace

std::vector<double> LinearTicks(double low, double high, int count) {
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {2.0, 5.0, 10.0}) {
    if (step < rough) step = power * factor;
  }
  std::vector<double> ticks;
  if (!(step > 0)) return ticks;
  const double first = std::ceil(low / step - 1e-9);
  // If the numbers are too close to each other, neighbours round to the same one.
  for (int i = 0; i <= 2 * count && (first + i) * step <= high + step * 1e-9; ++i) {
    const double tick = first + i == 0 ? 0 : (first + i) * step;
    if (ticks.empty() || tick > ticks.back()) ticks.push_back(tick);
  }
  return ticks;
}

std::vector<std::string> TickLabels(const std::vector<double>& ticks, bool logarithmic) {
  Range sizes;
  for (const double tick : ticks) {
    if (tick != 0) sizes.Include(std::fabs(tick));
  }
  if (logarithmic || ticks.size() < 2) {
    const bool powers = sizes.low < 1e-4 || sizes.high >= 1e6;
    return Labels(ticks, 1, "", powers ? "%.*e" : "%.*g", powers ? 0 : 4);
  }
  const double unit = sizes.high >= 1e6 ? 1e6 : sizes.high >= 1e4 ? 1e3 : 1;
  // Where the last digit stands in which neighbours differ: -2 for hundredths.
  const int last = PlaceOf((ticks[1] - ticks[0]) / unit);
  if (sizes.high >= 1e9 || last < -5) {
    const int digits = PlaceOf(sizes.high) - PlaceOf(ticks[1] - ticks[0]);
    return Labels(ticks, 1, "", "%.*e", std::clamp(digits, 0, 6));
  }
  return Labels(ticks, unit, unit == 1 ? "" : unit == 1e3 ? "k" : "M", "%.*f", std::max(0, -last));
}

Drawing LayOut(const Figure& figure) {
  const int panels = static_cast<int>(figure.panels.size());
  const int columns = std::min(2, panels), rows = (panels + 1) / 2;
  Range x = RangeOfX(figure);
  const TimeUnit unit =
      figure.x_unit == XUnit::kTime ? ChooseTimeUnit(x.high) : TimeUnit{1, "iteration"};
  x = {x.low / unit.seconds, x.high / unit.seconds};
  Drawing drawing;
  drawing.width = std::max(columns * kPanelWidth, static_cast<int>(WidestLegend(figure)));
  const double top = DrawLegend(figure, kMargin, &drawing);
  drawing.height = static_cast<int>(top) + rows * kPanelHeight;
  for (int i = 0; i < panels; ++i) {
    const Panel panel = InUnit(figure.panels[i], unit.seconds);
    const bool is_alone = i == panels - 1 && i % columns == 0;
    PanelDrawer(panel, x, unit.name, i % columns * kPanelWidth, top + i / columns * kPanelHeight,
                is_alone ? columns * kPanelWidth : kPanelWidth, &drawing)
        .DrawAll();
  }
  return drawing;
}

}  // namespace crema
