// What a convolution or a product of matrices does for the layers behind it: factors and offsets of
// channels, which are fixed numbers, become part of its weights and bias; each result is added to
// the other addend of a sum, which lies where the result goes; and a ReLU is applied to it before
// it goes there. Knows no library; each engine says it in its library's words.
#pragma once

#include <optional>
#include <vector>

#include "crema/dev/fusible.h"
#include "engines/shared/versioned_cache.h"

namespace crema {

class Epilogue {
 public:
  // A layer that became a part of the weights, and its parameters.
  struct Affine {
    const Layer* layer;
    ChannelAffine description;
    BlobList params;
  };

  // Takes the layer's work over, after what was taken over already, and returns true, if it can be
  // done here. Where gradients flow, only a ReLU can. A sum is of two bottoms with the coefficients
  // 1; the other bottom is then the host's last one. What is behind a sum can only be a ReLU, and
  // behind a ReLU nothing.
  bool TryAbsorb(const Consumer& next);

  // Gives the parameters of an absorbed layer.
  void BindParams(const Layer& absorbed, const BlobList& params);

  // Whether weights and bias differ from the host's own.
  bool ChangesWeights() const { return !affines_.empty(); }
  bool Adds() const { return adds_; }
  bool HasRelu() const { return relu_slope_.has_value(); }
  float slope() const { return relu_slope_.value_or(0); }  // of the ReLU
  // In the net's order; fold.h makes weights of them.
  const std::vector<Affine>& affines() const { return affines_; }

  // Of all parameters of `affines`: they change whenever the folded weights do.
  std::vector<VersionedSource> Sources() const;

 private:
  std::vector<Affine> affines_;
  bool adds_ = false;
  std::optional<float> relu_slope_;
};

}  // namespace crema
