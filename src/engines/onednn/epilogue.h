// What a convolution does for the layers behind it: a BatchNorm and a Scale with fixed numbers
// become part of its weights; each result is added to the other addend of a sum, which lies where
// it goes, and a ReLU is done to it, before it goes there.
#pragma once

#include <dnnl.hpp>
#include <vector>

#include "crema/layer/fusible.h"
#include "engines/onednn/kept.h"

namespace crema::onednn {

class Epilogue {
 public:
  // Whether the layer can be a part, after those that are parts already. Where gradients flow only
  // a ReLU can. A sum is of two, with no factors; the other one is then the convolution's last
  // bottom.
  bool Takes(const Consumer& next) const;
  void Take(const Layer& next);

  // Where layer `next` is a BatchNorm or a Scale.
  void BindParams(const Layer& next, const BlobList& params);

  // Whether weights and bias are other ones than the convolution's own.
  bool ChangesWeights() const { return norm_ != nullptr || scale_ != nullptr; }
  bool Adds() const { return sum_ != nullptr; }
  bool HasRelu() const { return relu_ != nullptr; }
  float Slope() const;  // of the ReLU

  dnnl::post_ops PostOps() const;

  // The convolution's numbers with BatchNorm and Scale in them; `bias` may be null. There are
  // `outputs` rows of `row` weights.
  void Fold(const float* weights, const float* bias, int64_t outputs, int64_t row,
            float* folded_weights, float* folded_bias) const;

  // Changes with every change of the numbers that Fold reads of the layers behind.
  std::vector<Version> Versions() const;

 private:
  // In their order.
  const Layer* norm_ = nullptr;
  const Layer* scale_ = nullptr;
  const Layer* sum_ = nullptr;
  const Layer* relu_ = nullptr;
  BlobList norm_params_, scale_params_;
};

}  // namespace crema::onednn
