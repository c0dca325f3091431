#include "plot/series.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace crema {

void Smooth(int window, Points* points) {
  const auto before = *points;
  const int size = static_cast<int>(before.size()), half = window / 2;
  for (int i = 0; i < size; ++i) {
    if (!std::isfinite(before[i].second)) continue;
    const int first = std::max(0, i - half), last = std::min(size, i - half + window);
    double sum = 0;
    int count = 0;
    for (int k = first; k < last; ++k) {
      if (!std::isfinite(before[k].second)) continue;
      sum += before[k].second;
      ++count;
    }
    (*points)[i].second = sum / count;
  }
}

void DrawSteps(Points* points) {
  const Points before = *points;
  const auto is_flat = [&](size_t i) {  // from point i to the next
    return i + 1 < before.size() && before[i].second == before[i + 1].second;
  };
  points->clear();
  for (size_t i = 0; i < before.size(); ++i) {
    const bool jumps = i > 0 && !is_flat(i - 1) && (is_flat(i) || (i > 1 && is_flat(i - 2)));
    if (jumps) points->emplace_back(before[i].first, before[i - 1].second);
    points->push_back(before[i]);
  }
}

std::optional<double> LowOfShares(const Panel& panel) {
  double begin = std::numeric_limits<double>::infinity(), end = -begin;
  for (const Series& series : panel.series) {
    if (series.points.empty()) continue;
    begin = std::min(begin, series.points.front().first);
    end = std::max(end, series.points.back().first);
  }
  double lowest = 1, later = 1, high = 0;
  int points = 0;
  for (const Series& series : panel.series) {
    for (const auto& [x, y] : series.points) {
      if (!std::isfinite(y)) continue;
      if (y < 0 || y > 1) return std::nullopt;
      lowest = std::min(lowest, y);
      high = std::max(high, y);
      if (x < begin + 0.1 * (end - begin)) continue;
      later = std::min(later, y);
      ++points;
    }
  }
  const bool squeezed = points > 2 && high > later && 3 * (high - later) < high - lowest;
  return squeezed ? std::optional<double>(later) : std::nullopt;
}

namespace {

bool AreEqual(const Points& a, const Points& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& p, const auto& q) {
    const bool both_gaps = !std::isfinite(p.second) && !std::isfinite(q.second);
    return p.first == q.first && (p.second == q.second || both_gaps);
  });
}

// The points of each curve of a run in a panel.
std::vector<Points> PointsOf(const Panel& panel, int run) {
  std::vector<Points> all;
  for (const Series& series : panel.series) {
    if (series.color == run) all.push_back(series.points);
  }
  return all;
}

// For each run the first one whose curves are the same in all of the panels; perhaps itself.
std::vector<int> FindTwins(const std::vector<Panel>& panels, int runs) {
  std::vector<int> twins(runs);
  for (int run = 0; run < runs; ++run) {
    const auto is_twin = [&](int other) {
      return std::all_of(panels.begin(), panels.end(), [&](const Panel& panel) {
        const std::vector<Points> x = PointsOf(panel, other), y = PointsOf(panel, run);
        return std::equal(x.begin(), x.end(), y.begin(), y.end(), AreEqual);
      });
    };
    while (!is_twin(twins[run])) ++twins[run];
  }
  return twins;
}

}  // namespace

void JoinIdentical(Figure* figure) {
  const std::vector<std::string> names = figure->runs;
  const auto count = static_cast<int>(names.size());
  const std::vector<int> twins = FindTwins(figure->panels, count);
  for (int run = 0; run < count; ++run) {
    std::string together = names[run];
    for (int other = run + 1; other < count; ++other) {
      if (twins[other] == run) together += ", " + names[other];
    }
    figure->runs[run] = twins[run] != run        ? ""
                        : together == names[run] ? together
                                                 : together + " (identical)";
  }
  for (Panel& panel : figure->panels) {
    const auto is_second = [&](const Series& series) {
      return twins[series.color] != series.color;
    };
    panel.series.erase(std::remove_if(panel.series.begin(), panel.series.end(), is_second),
                       panel.series.end());
  }
}

void TellIdentical(const std::vector<std::string>& names, Panel* panel) {
  const auto count = static_cast<int>(names.size());
  const std::vector<int> twins = FindTwins({*panel}, count);
  std::string told;
  for (int run = 0; run < count; ++run) {
    if (PointsOf(*panel, run).empty()) continue;
    std::string together = names[run];
    for (int other = run + 1; other < count; ++other) {
      if (twins[run] == run && twins[other] == run) together += ", " + names[other];
    }
    if (together != names[run]) told += (told.empty() ? "" : "; ") + together;
  }
  if (!told.empty()) panel->title += " (identical: " + told + ")";
}

}  // namespace crema
