// Class labels as bottoms: reading them, and recording those that are out of range.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/counted.h"
#include "base/ranges.h"
#include "crema/dev/for_each.h"
#include "crema/dev/layer.h"
#include "crema/dev/reduce.h"

namespace crema {
inline namespace CREMA_TARGET {

// Which labels count. Plain data for kernels, without gaps between its members.
struct LabelRule {
  int classes = 0;      // labels are 0 .. classes - 1
  int has_ignored = 0;  // 0 or 1
  int ignored = 0;
};

// The rule of options that may have an `ignore_label`. How many classes there are, a plan says.
template <class Options>
LabelRule LabelRuleOf(const Options& options) {
  LabelRule rule;
  rule.has_ignored = options.has_ignore_label() ? 1 : 0;
  rule.ignored = options.ignore_label();
  return rule;
}

constexpr int kIgnoredLabel = -1;
constexpr int kBadLabel = -2;

// The class that a label stands for (its fraction cut off, as Caffe does), or one of the above.
template <class T>
HD inline int ReadLabel(T label, const LabelRule& rule) {
  constexpr T kLimit = T(2147483648.0);
  const bool fits = label > -kLimit && label < kLimit;  // false for a NaN
  const int value = fits ? static_cast<int>(label) : kBadLabel;
  if (rule.has_ignored != 0 && fits && value == rule.ignored) return kIgnoredLabel;
  return fits && value >= 0 && value < rule.classes ? value : kBadLabel;
}

// The states in which a layer records what is wrong with its labels. The record outlives the
// forward pass, so that a bad label is found however seldom the host looks.
class BadLabelRecord {
 public:
  // Appends the states; `first` is the index of the first of them. Call it in Plan.
  void Plan(std::vector<TensorSpec>* states) {
    first_ = static_cast<int>(states->size());
    states->push_back({Shape{2}, DType::kInt32});  // how many, position of the first
    states->push_back({Shape{}, std::nullopt});    // the first one's value
    is_clear_ = false;
  }
  int count_state() const { return first_; }
  int value_state() const { return first_ + 1; }

  // Clears the record before its first use.
  void Prepare(Context& ctx, const Tensor& counts) {
    if (!is_clear_) ctx.device().Zero(counts.raw(), counts.bytes());
    is_clear_ = true;
  }

  // "holds 3 labels outside 0..9, the first is 12 at position 4" or "", and clears the record.
  // Waits for the device.
  std::string Read(Context& ctx, const Tensor& counts, const Tensor& value, const LabelRule& rule,
                   const std::string& noun) {
    if (!is_clear_) return "";
    const std::vector<int32_t> recorded = counts.ToHost<int32_t>();
    if (recorded[0] == 0) return "";
    ctx.device().Zero(counts.raw(), counts.bytes());
    return Concat("holds ", Counted(recorded[0], noun), " outside 0..", rule.classes - 1,
                  ", the first is ", value.ToHost<double>()[0], " at position ", recorded[1]);
  }

 private:
  int first_ = 0;
  bool is_clear_ = false;
};

// bad[i] = 1 for the bad ones among n labels, 0 for the others.
template <class T>
void MarkBadLabels(const Context& ctx, int n, const T* label, const LabelRule& rule, T* bad) {
  ForEach(ctx, n,
          [=] HD(int64_t i) { bad[i] = static_cast<T>(ReadLabel(label[i], rule) == kBadLabel); });
}

// Records the bad ones among n labels: is_bad[i] is 1 for those, otherwise 0.
template <class T>
void RecordBadLabels(const Context& ctx, int n, const T* label, const T* is_bad,
                     const Tensor& counts, const Tensor& value) {
  int32_t* recorded = counts.mutable_data<int32_t>();
  T* first_value = value.mutable_data<T>();
  constexpr int32_t kLast = std::numeric_limits<int32_t>::max();
  ReduceRows<MaxOp, int32_t>(
      ctx, 1, n, [=] HD(int64_t, int i) { return is_bad[i] > 0 ? kLast - i : -1; },
      [=] HD(int64_t, int32_t best) {
        if (best < 0 || recorded[0] > 0) return;
        recorded[1] = kLast - best;
        first_value[0] = label[kLast - best];
      });
  ReduceRows<SumOp, int32_t>(
      ctx, 1, n, [=] HD(int64_t, int i) { return is_bad[i] > 0 ? 1 : 0; },
      [=] HD(int64_t, int32_t total) {
        recorded[0] = total > kLast - recorded[0] ? kLast : recorded[0] + total;
      });
}

// A layer one of whose bottoms holds class labels, or other indices. Plan calls PlanLabels, Forward
// first PrepareLabelCheck.
class LabelledLayer : public Layer {
 public:
  using Layer::Layer;

  std::string CheckAfterForward(Context& ctx) override {
    const std::string problem = record_.Read(ctx, state(record_.count_state()),
                                             state(record_.value_state()), rule_, Noun());
    if (problem.empty()) return "";
    return Concat(Title(), ": its bottom '", config().bottom(LabelBottom()), "' ", problem, "; ",
                  Advice());
  }

 protected:
  LabelRule& rule() { return rule_; }
  const LabelRule& rule() const { return rule_; }

  // Words for the error that a label out of range is.
  virtual int LabelBottom() const { return 1; }
  virtual std::string Noun() const { return "label"; }
  virtual std::string Advice() const {
    const std::string ignored =
        rule_.has_ignored != 0 ? Concat(" or ignore_label ", rule_.ignored) : "";
    return Concat("labels must be integers from 0 to ", rule_.classes - 1, ignored,
                  ", one per score (", rule_.classes,
                  "): correct the labels or the num_output of the layer that makes the scores");
  }

  void PlanLabels(int classes, std::vector<TensorSpec>* states) {
    rule_.classes = classes;
    record_.Plan(states);
  }
  void PrepareLabelCheck(Context& ctx) { record_.Prepare(ctx, state(record_.count_state())); }
  template <class T>
  void RecordBad(const Context& ctx, int n, const T* label, const T* is_bad) {
    RecordBadLabels(ctx, n, label, is_bad, state(record_.count_state()),
                    state(record_.value_state()));
  }

  // Before the scores are looked at as such. There are never more labels than scores.
  void CheckOrder(const PlanInput& input) const {
    const Shape &scores = input.shape(0), &labels = input.shape(1);
    if (scores.count() == 0 || labels.count() <= scores.count()) return;
    Fail("its bottom 0, '", config().bottom(0), "', is to hold the scores and its bottom 1, '",
         config().bottom(1), "', the labels, but bottom 0 has shape ", scores.ToString(),
         " and bottom 1 ", labels.ToString(), "; write the scores first, then the labels");
  }

  // One label for each position of the scores; `items`: and axis 0 is the same for both.
  void CheckLabels(const Shape& scores, const Shape& labels, int axis, int64_t positions,
                   bool items) const {
    const bool same_items = !items || (labels.rank() > 0 && labels[0] == scores[0]);
    if (labels.count() != positions || !same_items) {
      Fail("the scores have shape ", scores.ToString(), ", so there must be ", positions,
           " labels (axis ", axis, "), but the labels have shape ", labels.ToString());
    }
    CheckRange(Title() + ": the number of labels", positions, 0, std::numeric_limits<int>::max());
  }

 private:
  LabelRule rule_;
  BadLabelRecord record_;
};

}  // namespace CREMA_TARGET
}  // namespace crema
