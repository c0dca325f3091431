#include "train/detection.h"

#include <algorithm>

#include "crema/error.h"
#include "solvers/solver_error.h"

namespace crema {
namespace {

// A point of the curve, at one more detection.
struct Point {
  double precision, recall;
};

double ElevenPoint(const std::vector<Point>& curve) {
  double sum = 0;
  for (int tenth = 0; tenth <= 10; ++tenth) {
    double best = 0;
    for (const Point& point : curve) {
      if (point.recall >= tenth / 10.0) best = std::max(best, point.precision);
    }
    sum += best / 11;
  }
  return sum;
}

// The integral of the precision; `best_from_here`: of the best one at that recall or more.
double Integral(const std::vector<Point>& curve, bool best_from_here) {
  double area = 0, best = 0;
  for (size_t i = curve.size(); i-- > 0;) {
    best = best_from_here ? std::max(best, curve[i].precision) : curve[i].precision;
    const double before = i == 0 ? 0 : curve[i - 1].recall;
    area += best * (curve[i].recall - before);
  }
  return area;
}

}  // namespace

ApVersion ParseApVersion(const std::string& text) {
  if (text == "11point") return ApVersion::k11Point;
  if (text == "MaxIntegral") return ApVersion::kMaxIntegral;
  if (text == "Integral") return ApVersion::kIntegral;
  FailInSolver("ap_version is '", text, "'; use \"Integral\", \"MaxIntegral\" or \"11point\"");
}

void DetectionScores::Add(const std::vector<double>& rows) {
  if (rows.size() % 5 != 0) {
    FailInSolver(
        "eval_type 'detection' needs outputs with rows of 5 numbers, as from a "
        "DetectionEvaluate layer, but one has ",
        rows.size(), " numbers");
  }
  for (size_t i = 0; i < rows.size(); i += 5) {
    const int label = static_cast<int>(rows[i + 1]);
    const bool counts = rows[i] == -1;
    if (counts) {
      positives_[label] += static_cast<int64_t>(rows[i + 2]);
    } else if (rows[i + 3] != 0 || rows[i + 4] != 0) {
      detections_[label].push_back({rows[i + 2], rows[i + 3] != 0});
    }
  }
}

std::map<int, double> DetectionScores::AveragePrecisions(ApVersion version) const {
  std::map<int, double> result;
  for (const auto& [label, positives] : positives_) {
    const auto found = detections_.find(label);
    if (found == detections_.end() || positives == 0) continue;
    std::vector<Detection> sorted = found->second;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Detection& a, const Detection& b) { return a.score > b.score; });
    std::vector<Point> curve;
    double right = 0;
    for (const Detection& detection : sorted) {
      right += detection.is_true ? 1 : 0;
      curve.push_back(
          {right / static_cast<double>(curve.size() + 1), right / static_cast<double>(positives)});
    }
    result[label] = version == ApVersion::k11Point
                        ? ElevenPoint(curve)
                        : Integral(curve, version == ApVersion::kMaxIntegral);
  }
  return result;
}

double DetectionScores::Mean(ApVersion version) const {
  if (positives_.empty()) return 0;
  double sum = 0;
  for (const auto& [label, precision] : AveragePrecisions(version)) sum += precision;
  return sum / static_cast<double>(positives_.size());
}

}  // namespace crema
