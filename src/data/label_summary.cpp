#include "data/label_summary.h"

#include <algorithm>
#include <vector>

#include "base/counted.h"
#include "base/strings.h"
#include "crema/error.h"

namespace crema {

std::string LabelSummary::Missing() const {
  constexpr size_t kShown = 5;
  std::vector<std::string> shown;
  int64_t next = 0, missing = 0;
  for (const auto& [label, count] : counts_) {
    if (label < 0) continue;
    missing += label - next;
    for (; next < label && shown.size() < kShown; ++next) shown.push_back(Concat(next));
    next = int64_t{label} + 1;
  }
  if (missing == 0) return "";
  const int64_t more = missing - static_cast<int64_t>(shown.size());
  return Concat("; no image has ", missing == 1 ? "label " : "labels ", Join(shown),
                more > 0 ? Concat(" and ", more, " more") : "");
}

std::string LabelSummary::Describe() const {
  if (counts_.empty()) return "";
  const int first = counts_.begin()->first, last = counts_.rbegin()->first;
  const auto [fewest, most] =
      std::minmax_element(counts_.begin(), counts_.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::string range = first == last ? Concat("all ", first) : Concat(first, " to ", last);
  const std::string images = fewest->second == most->second
                                 ? Counted(most->second, "image")
                                 : Concat(fewest->second, " (label ", fewest->first, ") to ",
                                          most->second, " (label ", most->first, ") images");
  return Concat(
      "Labels: ", range, "; ", images, first == last ? "" : " each", Missing(),
      first < 0 ? "; classes are counted from 0, so that losses refuse labels below" : "");
}

}  // namespace crema
