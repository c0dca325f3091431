#include "engines/shared/epilogue.h"

namespace crema {
namespace {

bool IsPlainSumOfTwo(const Layer& layer) {
  const std::optional<WeightedSum> sum = layer.AsWeightedSum();
  return sum && sum->coefficients == std::vector<float>{1, 1};
}

}  // namespace

bool Epilogue::TryAbsorb(const Consumer& next) {
  if (HasRelu()) return false;
  if (next.ReluSlope()) {
    relu_slope_ = next.ReluSlopeOfSigns();
    return HasRelu();
  }
  if (next.backward || adds_) return false;
  if (IsPlainSumOfTwo(*next.layer)) {
    adds_ = true;
    return true;
  }
  const std::optional<ChannelAffine> affine = next.layer->AsChannelAffine();
  if (affine) affines_.push_back({next.layer, *affine, {}});
  return affine.has_value();
}

void Epilogue::BindParams(const Layer& absorbed, const BlobList& params) {
  for (Affine& affine : affines_) {
    if (affine.layer == &absorbed) affine.params = params;
  }
}

std::vector<VersionedSource> Epilogue::Sources() const {
  std::vector<VersionedSource> sources;
  for (const Affine& affine : affines_) {
    for (const Blob* param : affine.params) sources.push_back(VersionOf(*param));
  }
  return sources;
}

}  // namespace crema
