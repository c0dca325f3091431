#include "train/averaged_weights.h"

#include <glog/logging.h>

#include <algorithm>

#include "crema.pb.h"
#include "crema/error.h"
#include "math/vector_ops.h"
#include "tensor/saved_tensor.h"

namespace crema {

AveragedWeights::AveragedWeights(double decay, const FlatParams& params, const Context& ctx)
    : decay_(decay), params_(params), ctx_(ctx) {
  if (decay == 0) return;
  average_ = Tensor(ctx.shared_device(), params.weights.dtype(), params.weights.shape());
  Begin();
}

void AveragedWeights::Begin() {
  if (average_.empty()) return;
  ctx_.device().Copy(average_.raw(), params_.weights.raw(), params_.weights.bytes());
}

// Young averages forget faster, or the first weights would stay in them for long.
void AveragedWeights::Update(int64_t updates) {
  if (average_.empty()) return;
  const auto t = static_cast<double>(updates);
  const double keep = std::min(decay_, (1 + t) / (10 + t));
  VectorOpsFor(ctx_.kind()).MoveToward(ctx_, params_.weights, 1 - keep, average_);
}

void AveragedWeights::UseAverage(bool use) {
  if (average_.empty() || use == in_use_) return;
  VectorOpsFor(ctx_.kind()).Swap(ctx_, params_.weights, average_);
  in_use_ = use;
}

void AveragedWeights::Save(proto::SolverProgress* progress) const {
  if (average_.empty()) return;
  const Tensor& trained = in_use_ ? average_ : params_.weights;
  for (size_t i = 0; i < params_.segments.size(); ++i) {
    SaveTensor(ParamIn(trained, params_, i), Shape{params_.segments[i].count},
               progress->add_trained_weights());
  }
}

void AveragedWeights::Restore(const proto::SolverProgress& progress, const std::string& path) {
  Begin();
  CheckSavedCount(path, progress.trained_weights_size(), "the trained weights", params_);
  for (int i = 0; i < progress.trained_weights_size(); ++i) {
    const SavedBlob blob = FromProto(progress.trained_weights(i), path);
    if (static_cast<int64_t>(blob.data.size()) != params_.segments[i].count) {
      Fail(InFile(path), ": trained weights ", i, " have ", blob.data.size(),
           " values, but the parameter has ", params_.segments[i].count,
           "; resume with the same net");
    }
    RestoreTensor(blob, ParamIn(params_.weights, params_, static_cast<size_t>(i)));
  }
}

AveragedWeights::InUse::InUse(AveragedWeights* weights)
    : weights_(*weights), before_(weights->in_use()) {
  weights_.UseAverage(true);
}

AveragedWeights::InUse::~InUse() {
  try {
    weights_.UseAverage(before_);
  } catch (const std::exception& error) {  // the device is gone
    LOG(ERROR) << "The trained weights could not be restored: " << error.what();
  }
}

}  // namespace crema
