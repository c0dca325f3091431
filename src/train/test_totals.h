// What a test adds up over its batches.
#pragma once

#include <vector>

#include "train/detection.h"
#include "train/report.h"

namespace crema {

namespace proto {
class SolverParameter;
}

// With eval_type "classification" the mean of each element of each output, with "detection" the
// mean average precision of each output blob.
class TestTotals {
 public:
  explicit TestTotals(const proto::SolverParameter& solver);

  // After a forward pass; waits for the device.
  void Add(const Net& net);
  // Of all that was added, in the order of the net's outputs. Logs the precision of each class
  // where show_per_class_result asks for it.
  std::vector<OutputElement> Results() const;

 private:
  std::vector<OutputElement> ZerosFor(const Net& net) const;

  bool detects_, shows_classes_;
  ApVersion version_;
  int64_t batches_ = 0;
  std::vector<OutputElement> sums_;      // by element, or by blob
  std::vector<DetectionScores> scores_;  // by blob
};

}  // namespace crema
