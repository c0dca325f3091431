#include "train/flat_params.h"

#include "crema/error.h"

namespace crema {

FlatParams FlatParamsOf(const Net& net) {
  FlatParams params;
  params.weights = net.flat_params();
  params.gradients = net.flat_gradients();
  const auto* base = static_cast<const char*>(params.weights.raw());
  const auto element = static_cast<int64_t>(SizeOf(params.weights.dtype()));
  for (size_t i = 0; i < net.graph().params.size(); ++i) {
    const ParamNode& node = net.graph().params[i];
    if (node.owner >= 0) continue;
    const Blob& blob = net.param(static_cast<int>(i));
    const Tensor& values = blob.data_tensor();
    ParamSegment segment;
    segment.first = (static_cast<const char*>(values.raw()) - base) / element;
    segment.count = values.count();
    segment.lr_mult = blob.has_diff() ? node.lr_mult : 0;
    segment.decay_mult = node.decay_mult;
    params.segments.push_back(segment);
    params.shapes.push_back(values.shape());
  }
  return params;
}

Tensor ParamIn(const Tensor& flat, const FlatParams& params, size_t i) {
  const auto offset = static_cast<size_t>(params.segments[i].first) * SizeOf(flat.dtype());
  return Tensor(flat.buffer(), offset, flat.dtype(), params.shapes[i]);
}

void CheckSavedCount(const std::string& path, int saved, const std::string& what,
                     const FlatParams& params) {
  const auto count = static_cast<int>(params.segments.size());
  if (saved == 0 || saved == count) return;
  Fail(InFile(path), ": has ", what, " of ", saved, " parameters, but the net has ", count,
       "; resume with the same net");
}

}  // namespace crema
