// Which labels a data set has, in one line: a wrong list shows before the training does.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace crema {

class LabelSummary {
 public:
  void Add(int label) { ++counts_[label]; }

  // "Labels: 0 to 3; 12 (label 3) to 240 (label 0) images each; no image has label 1", or ""
  // without labels.
  std::string Describe() const;

 private:
  // The clause about labels from 0 on that no image has; "" if all are there.
  std::string Missing() const;

  std::map<int, uint64_t> counts_;
};

}  // namespace crema
