#include "engines/onednn/epilogue.h"

#include <algorithm>
#include <cmath>

#include "crema.pb.h"
#include "engines/onednn/primitives.h"

namespace crema::onednn {
namespace {

float SlopeOf(const Layer& relu) { return relu.config().relu_param().negative_slope(); }

bool UsesStored(const Layer& norm) {
  const proto::BatchNormParameter& param = norm.config().batch_norm_param();
  return param.has_use_global_stats() ? param.use_global_stats() : norm.phase() == Phase::kTest;
}

bool IsScaleOfChannels(const Layer& layer) {
  const proto::ScaleParameter& param = layer.config().scale_param();
  return layer.type() == "Scale" && layer.config().bottom_size() == 1 && param.axis() == 1 &&
         param.num_axes() == 1;
}

bool IsSumOfTwo(const Layer& layer) {
  const proto::EltwiseParameter& param = layer.config().eltwise_param();
  const auto is_one = [](float factor) { return factor == 1; };
  return layer.type() == "Eltwise" && param.operation() == proto::EltwiseParameter::SUM &&
         layer.config().bottom_size() == 2 &&
         std::all_of(param.coeff().begin(), param.coeff().end(), is_one);
}

}  // namespace

bool Epilogue::Takes(const Consumer& next) const {
  const Layer& layer = *next.layer;
  if (relu_ != nullptr) return false;
  // The sign of the result is that of the input only for such slopes.
  if (layer.type() == "ReLU") {
    return !next.backward || (next.is_kept && SlopeOf(layer) >= 0);
  }
  if (next.backward || sum_ != nullptr) return false;
  if (IsSumOfTwo(layer)) return true;
  if (scale_ != nullptr) return false;
  if (IsScaleOfChannels(layer)) return true;
  return layer.type() == "BatchNorm" && norm_ == nullptr && UsesStored(layer);
}

void Epilogue::Take(const Layer& next) {
  if (next.type() == "BatchNorm") norm_ = &next;
  if (next.type() == "Scale") scale_ = &next;
  if (next.type() == "Eltwise") sum_ = &next;
  if (next.type() == "ReLU") relu_ = &next;
}

void Epilogue::BindParams(const Layer& next, const BlobList& params) {
  if (&next == norm_) norm_params_ = params;
  if (&next == scale_) scale_params_ = params;
}

float Epilogue::Slope() const { return SlopeOf(*relu_); }

dnnl::post_ops Epilogue::PostOps() const {
  dnnl::post_ops operations;
  if (sum_ != nullptr) operations.append_sum(1.0f);
  if (relu_ != nullptr) AppendRelu(SlopeOf(*relu_), &operations);
  return operations;
}

// In double, since a variance may be tiny.
void Epilogue::Fold(const float* weights, const float* bias, int64_t outputs, int64_t row,
                    float* folded_weights, float* folded_bias) const {
  const auto value = [](const BlobList& params, size_t i, int64_t at) {
    return static_cast<double>(params[i]->data<float>()[at]);
  };
  for (int64_t c = 0; c < outputs; ++c) {
    double factor = 1, offset = bias == nullptr ? 0 : bias[c];
    if (norm_ != nullptr) {
      const double weight = value(norm_params_, 2, 0);
      const double share = weight == 0 ? 0 : 1 / weight;
      const double eps = norm_->config().batch_norm_param().eps();
      factor = 1 / std::sqrt(value(norm_params_, 1, c) * share + eps);
      offset = (offset - value(norm_params_, 0, c) * share) * factor;
    }
    if (scale_ != nullptr) {
      factor *= value(scale_params_, 0, c);
      offset *= value(scale_params_, 0, c);
      if (scale_params_.size() > 1) offset += value(scale_params_, 1, c);
    }
    folded_bias[c] = static_cast<float>(offset);
    for (int64_t i = c * row; i < (c + 1) * row; ++i) {
      folded_weights[i] = static_cast<float>(weights[i] * factor);
    }
  }
}

std::vector<Version> Epilogue::Versions() const {
  std::vector<Version> versions;
  for (const Blob* param : norm_params_) versions.push_back(VersionOf(*param));
  for (const Blob* param : scale_params_) versions.push_back(VersionOf(*param));
  return versions;
}

}  // namespace crema::onednn
