#include "train/test_totals.h"

#include <glog/logging.h>

#include "crema.pb.h"

namespace crema {

TestTotals::TestTotals(const proto::SolverParameter& solver)
    : detects_(solver.eval_type() == "detection"),
      shows_classes_(solver.show_per_class_result()),
      version_(ParseApVersion(solver.ap_version())) {}

// The results that the net has, their values yet to come.
std::vector<OutputElement> TestTotals::ZerosFor(const Net& net) const {
  std::vector<OutputElement> results;
  for (int output : net.graph().outputs) {
    const BlobNode& node = net.graph().blobs[output];
    const int64_t count = detects_ ? 1 : net.blob(output).count();
    for (int64_t i = 0; i < count; ++i) results.push_back({node.name, node.loss_weight, 0});
  }
  return results;
}

void TestTotals::Add(const Net& net) {
  ++batches_;
  if (detects_) {
    sums_ = ZerosFor(net);
    scores_.resize(sums_.size());
    for (size_t i = 0; i < scores_.size(); ++i) {
      scores_[i].Add(net.blob(net.graph().outputs[i]).data_tensor().ToHost<double>());
    }
    return;
  }
  const std::vector<OutputElement> outputs = ReadOutputs(net);
  if (sums_.size() != outputs.size()) sums_ = ZerosFor(net);
  for (size_t i = 0; i < outputs.size(); ++i) sums_[i].value += outputs[i].value;
}

std::vector<OutputElement> TestTotals::Results() const {
  std::vector<OutputElement> results = sums_;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!detects_) results[i].value /= static_cast<double>(batches_);
    if (!detects_) continue;
    results[i].value = scores_[i].Mean(version_);
    if (!shows_classes_) continue;
    for (const auto& [label, precision] : scores_[i].AveragePrecisions(version_)) {
      LOG(INFO) << Concat("class", label, ": ", FormatNumber(precision));
    }
  }
  return results;
}

}  // namespace crema
