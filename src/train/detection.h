// The mean average precision of a detector, as SSD's Caffe reports it for eval_type "detection".
#pragma once

#include <map>
#include <string>
#include <vector>

namespace crema {

// How the area under the curve of precision over recall is taken.
//   k11Point      mean, over the recalls 0, 0.1, ... 1, of the best precision at that recall or
//   more kMaxIntegral  the integral of the best precision at that recall or more kIntegral     the
//   integral of the precision itself
enum class ApVersion { k11Point, kMaxIntegral, kIntegral };

// From ap_version ("11point", "MaxIntegral", "Integral"); throws Error for other words.
ApVersion ParseApVersion(const std::string& text);

// Collects what a DetectionEvaluate layer puts out: rows of five numbers,
//   (-1, label, positives, -1, -1)         how many objects of that label there are
//   (image, label, score, true, false)     a detection: one of the last two is 1, both are 0 where
//                                          it matched an object that does not count
class DetectionScores {
 public:
  // Rows one after another. Throws Error where their number is not a multiple of five.
  void Add(const std::vector<double>& rows);

  // By label, for all labels that have objects and detections.
  std::map<int, double> AveragePrecisions(ApVersion version) const;
  // Their mean over the labels that have objects; 0 where none has.
  double Mean(ApVersion version) const;

 private:
  struct Detection {
    double score;
    bool is_true;
  };
  std::map<int, int64_t> positives_;
  std::map<int, std::vector<Detection>> detections_;
};

}  // namespace crema
